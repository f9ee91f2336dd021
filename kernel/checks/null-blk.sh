# shellcheck shell=dash
# RAM disks of null_blk: poll queues, a chosen completion time, removal at the end and after a killed agent.
cat >poll.yaml <<'YAML'
name: null-blk-poll
target: {ramdisk: {size: 32MiB, kind: null_blk, poll_queues: 1}}
workload: {warmup: 100ms, runtime: 500ms}
arms:
  interrupt: {engine: io_uring}
  polled: {engine: io_uring, iopoll: true}
trials: 2
noise: ignore
baseline: interrupt
YAML
run poll "0 4" poll.yaml
holds "polling is granted on null_blk" \
    'any(.cells[]; .arm == "polled" and .ring.granted.iopoll == "true" and .iops.mean > 0)' poll.json '.cells[] | {arm, ring, iops}'
[ -z "$(ram_disks)" ] || fail "a RAM disk is left: $(ram_disks)"

sed 's/, poll_queues: 1/, completion: 20ms/; /polled/d; s/null-blk-poll/null-blk-slow/' poll.yaml >slow.yaml
run slow "0 4" slow.yaml
holds "a request takes the chosen time" \
    '.cells[0].latency_ns.p50 >= 20e6 and .cells[0].latency_ns.p50 < 60e6' slow.json '.cells[] | .latency_ns'
[ -z "$(ram_disks)" ] || fail "a RAM disk is left: $(ram_disks)"

# An agent killed during a trial leaves its disk behind; the next agent removes it.
agent serve --listen 127.0.0.1:7430 --data-dir . 2>agent.log &
agent=$!
sleep 1
coordinator run --agents 127.0.0.1:7430 --no-progress --out killed --set workload.runtime=60s poll.yaml >killed.txt 2>killed.log &
coordinator=$!
tries=100
until [ -n "$(ram_disks)" ] || [ $tries = 0 ]; do
    sleep 0.2
    tries=$((tries - 1))
done
sleep 1
kill -KILL "$agent"
wait "$agent" 2>/dev/null || true
left=$(ram_disks)
[ -n "$left" ] || fail "the killed agent left no disk behind"
[ -s /run/ringbench-0/ramdisks.jsonl ] || fail "the killed agent's disk is not recorded"
status=0
wait "$coordinator" || status=$?
[ "$status" = 3 ] || fail "a lost host gives exit code $status instead of 3"
agent serve --listen 127.0.0.1:7430 --data-dir . 2>>agent.log &
agent=$!
sleep 2
[ -z "$(ram_disks)" ] || fail "the next agent did not remove it: $(ram_disks)"
kill "$agent"
wait "$agent" 2>/dev/null || true
jq -r '.cells[] | select(.host == null) | "    \(.arm): \(.iops.mean | floor) reads/s"' poll.json
jq -r '"    20 ms chosen: p50 \(.cells[0].latency_ns.p50 / 1e6) ms"' slow.json
echo "    $(basename "$(echo "$left" | head -n 1)") of a killed agent was removed by the next one"
