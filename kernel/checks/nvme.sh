# shellcheck shell=dash
# The drive's own commands, bypassing the block layer: the same bytes as through the block device with any options; the
# shipped scenario on a drive with poll queues; and refusals.
# Needs the agent's tests as /in/agent-tests (kernel/lab run --in DIR; .ci/lab-kernel builds them).
[ -c /dev/ng0n1 ] || fail "the kernel has no /dev/ng0n1"
[ -x /in/agent-tests ] || fail "no /in/agent-tests: see .ci/lab-kernel"

test=engine::nvme::tests::reads_the_same_data_through_ring_and_block_layer
RINGBENCH_NVME_BLOCK=/dev/nvme0n1 RINGBENCH_NVME_GENERIC=/dev/ng0n1 /in/agent-tests --ignored --exact $test \
    >bytes.log 2>&1 || {
    cat bytes.log >&2
    fail "the two paths do not read and write the same bytes"
}
grep -q "1 passed" bytes.log || fail "the test did not run: $(cat bytes.log)"

agent serve --listen 127.0.0.1:7421 --insecure --insecure-devices --allow-device /dev/nvme0n1=RINGBENCH0 >agent.log 2>&1 &
agent=$!
trap 'kill $agent' EXIT
until grep -q "listens on" agent.log; do
    kill -0 $agent || fail "the agent ended: $(cat agent.log)"
    sleep 0.2
done
at="--agents 127.0.0.1:7421"

# 4: a trial began late under emulation and is marked.
# Longer than --quick: the readings from outside the workers must fall into the window under emulation too.
# shellcheck disable=SC2086
run nvme "0 4" $at /scenarios/nvme.yaml --set workload.runtime=500ms
holds "no request failed" 'all(.[]; all(.hosts[]; .refusal == null and (.finished.errors // {}) == {}))' \
    nvme/trials.jsonl '{arm, marks, hosts: [.hosts[] | {refusal, errors: .finished.errors}]}'
cell() { # arm, depth, expression of its cell
    holds "arm $1 at depth $2: $3" \
        "[.cells[] | select(.arm == \"$1\" and .params.depth == $2 and .host == null)] | length == 1 and (.[0] | $3)" \
        nvme.json ".cells[] | select(.arm == \"$1\") | {params, ring, iops, bandwidth_bytes_per_s, interrupts_per_io}"
}
# shellcheck disable=SC2016
granted='[.ring.requested | to_entries[] | select(.value == "true") | .key] as $asked
    | .ring.granted as $granted | ($asked | length) >= 4 and all($asked[]; $granted[.] == "true")'
bytes='.bandwidth_bytes_per_s.mean / .iops.mean | . > 4095 and . < 4097'
for depth in 1 32; do
    for arm in block passthrough block-polled passthrough-polled; do
        cell $arm $depth "$granted"
        cell $arm $depth "$bytes"
    done
    cell passthrough-polled $depth '.ring.granted.iopoll == "true"'
done
# If the emulation was too slow, the last reading came too late and is missing: at least one trial must have it.
interrupts() { # arm, depth, expression of the interrupts per I/O of each trial that has them
    holds "interrupts of $1 at depth $2: $3" \
        "[.[] | select(.arm == \"$1\" and .params.depth == $2) | .hosts[].finished
          | select(.interrupts != null) | .interrupts / .read_ops] | length > 0 and all(.[]; $3)" \
        nvme/trials.jsonl 'select(.arm | test("passthrough")) | {arm, params, finished: [.hosts[].finished | {interrupts, read_ops}]}'
}
interrupts passthrough 1 '. > 0.5'
interrupts passthrough-polled 1 '. < 0.1'
interrupts passthrough-polled 32 '. < 0.1'
jq -r '.cells[] | select(.host == null) | "    \(.arm), depth \(.params.depth): \(.iops.mean // 0 | floor) reads/s, p50 \(.latency_ns.p50 // 0) ns, system CPU \(.cpu_ns_per_io.system // 0 | floor) ns"' nvme.json

# shellcheck disable=SC2086
run writes "0 4" $at /scenarios/nvme.yaml --set target.device.destroy=RINGBENCH0 --set workload.read_percent=50 \
    --set 'sweep.depth=[32]'
holds "no write failed" 'all(.[]; all(.hosts[]; .refusal == null and (.finished.errors // {}) == {}))' \
    writes/trials.jsonl '{arm, marks, hosts: [.hosts[] | {refusal, errors: .finished.errors}]}'

refused() { # field of the refusal, words of message or remedy, arguments
    field=$1
    words=$2
    shift 2
    # shellcheck disable=SC2086
    run refused 3 $at "$@" /scenarios/nvme.yaml
    holds "refused at $field with '$words'" \
        "any(.[]; any(.hosts[].refusal // empty; .field == \"$field\" and ((.message + .remedy) | test(\"$words\"))))" \
        refused/trials.jsonl '{arm, refusals: [.hosts[].refusal]}'
    rm -rf refused
}
refused workload.block_size max_hw_sectors_kb --set workload.block_size=16MiB --set 'sweep.depth=[1]'
