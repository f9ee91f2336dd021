# shellcheck shell=dash
# The device begins to fail during a trial: errors are counted, the trial is marked, the exit code is 4.
cat >eio.yaml <<'YAML'
name: eio
target: {ramdisk: {size: 64MiB, kind: null_blk}}
workload: {warmup: 100ms, runtime: 4s}
arms: {uring: {engine: io_uring, depth: 8}}
trials: 1
noise: ignore
YAML
coordinator run --no-progress --format json --out eio eio.yaml >eio.json 2>eio.log &
coordinator=$!
# The audit runs first; the blocks fail once the timed trial has run for a while. Afterwards the disk is removed.
tries=300
until [ "$(grep -c '"measure":"audit"' eio/trials.jsonl 2>/dev/null)" = 1 ] || [ $tries = 0 ]; do
    sleep 0.1
    tries=$((tries - 1))
done
sleep 1.5
disk=$(echo /sys/kernel/config/nullb/ringbench-*)
echo "+0-65535" >"$disk/badblocks"
status=0
wait "$coordinator" || status=$?
[ "$status" = 4 ] || fail "exit code $status instead of 4: $(tail -n 5 eio.log)"
holds "errors are counted beside completed reads" \
    'map(select(.measure == "timed")) | any(.[]; .hosts[0].finished | .errors["5"] > 0 and .read_ops > 0)' \
    eio/trials.jsonl '{id, marks, finished: .hosts[0].finished | {errors, read_ops}}'
holds "every trial with errors is marked" \
    'all(.[]; (.hosts[0].finished.errors | length) == 0 or any(.marks[]; test("EIO")))' eio/trials.jsonl '{id, marks}'
holds "the summary has them" 'any(.cells[].errors[]?; .name == "EIO" and .count > 0)' eio.json '.cells[] | {arm, errors}'
grep -q EIO eio.log || coordinator report eio 2>/dev/null | grep -q EIO || fail "EIO is not reported"
jq -r 'select(.marks != []) | "    \(.arm): \(.hosts[0].finished.read_ops) reads completed; \(.marks | join("; "))"' eio/trials.jsonl
