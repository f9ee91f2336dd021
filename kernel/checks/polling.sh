# shellcheck shell=dash
# The shipped scenario on the NVMe drive: polling is granted, and the drive hardly sends interrupts for it.
# 3: an arm was refused, like hybrid polling before 6.13; 4: a trial began late under emulation and is marked.
codes="3 4"
! kernel_is 6.13 || codes="0 4"
# A second each: in a short trial the readings from outside the workers may come too late under emulation.
run polling "$codes" --set workload.runtime=1s /scenarios/polling.yaml
cell() { # arm, expression of its cell
    holds "arm $1: $2" "[.cells[] | select(.arm == \"$1\" and .host == null)] | length == 1 and (.[0] | $2)" \
        polling.json ".cells[] | select(.arm == \"$1\") | {ring, iops, interrupts_per_io, trials}"
}
cell interrupt '.interrupts_per_io > 0.5'
cell polled '.ring.granted.iopoll == "true" and .interrupts_per_io < 0.1'
if kernel_is 6.13; then
    cell hybrid '.ring.granted.hybrid_iopoll == "true" and .interrupts_per_io < 0.1'
else
    holds "hybrid polling is refused, with its remedy" \
        'any(.[].hosts[].refusal // empty; .field == "engine.hybrid_iopoll" and (.remedy | test("6.13")))' \
        polling/trials.jsonl '{arm, marks, refusals: [.hosts[].refusal]}'
fi
jq -r '.cells[] | select(.host == null and .iops != null) | "    \(.arm): \(.iops.mean | floor) reads/s, p50 \(.latency_ns.p50) ns, \(.interrupts_per_io) interrupts per I/O"' polling.json
