# shellcheck shell=dash
# Urgent requests. A patched kernel issues them first, so that no others overtake them, and counts batches like the
# engine; any other kernel runs the shipped scenario without them, with a warning.
case $(uname -r) in *-rb-patched) patched=true ;; *) patched=false ;; esac
# A second: under emulation shorter trials see too few urgent requests. 1: the claims are for real machines; 4: a trial
# began late under emulation and is marked.
run priority "0 1 4" --set workload.runtime=1s --set noise=ignore --set 'sweep.direct=[false]' /scenarios/priority.yaml
of() { # arm
    printf '(.cells[] | select(.arm == "%s" and .host == null))' "$1"
}
holds "urgent and bulk are measured in every arm" \
    '[.cells[] | .urgent.latency_ns.p99 > 0 and .bulk.latency_ns.p99 > 0] | all and length == 4' priority.json
if $patched; then
    holds "urgent requests are granted" "$(of iosqe-urgent) | .ring.granted.urgent == \"iosqe_urgent\"" priority.json
    holds "they are hardly ever overtaken, those of the control nearly always" \
        "[$(of iosqe-urgent), $(of none)] | .[0].urgent.overtaken.share < 0.1 and .[1].urgent.overtaken.share > 0.5" \
        priority.json '.cells[] | {arm, overtaken: .urgent.overtaken}'
else
    holds "without urgent requests the arm runs like the control" \
        "$(of iosqe-urgent) | .ring.granted.urgent == \"none\"" priority.json
    holds "a warning reports it" 'any(.warnings[]; .code == "knob-not-granted" and (.remedy | test("kernel/lab run patched-6.12")))' \
        priority.json .warnings
    holds "batch counters are missing, with a reason" "$(of none) | .ring.batches == null and .ring.batches_missing != null" priority.json
fi

cat >calls.yaml <<'END'
name: calls
target: {file: {size: 4MiB, direct: false}}
workload: {warmup: 100ms, runtime: 300ms}
arms:
  plain: {engine: io_uring}
  rings: {engine: io_uring, urgent: {share: 10%, by: separate_ring}}
  flagged: {engine: io_uring, urgent: {share: 10%, by: iosqe_urgent}, fallback: allow}
sweep: {depth: [1, 32]}
noise: ignore
END
run calls "0 4" calls.yaml
if $patched; then
    # Requests handed over by calls are counted twice in the audit, with equal results.
    holds "kernel and engine count the same requests in the same batches" \
        '[.[] | select(.measure == "audit") | .hosts[].finished
            | .batches.requests == .submitted and .batches.batches == (.enters_by_batch[1:] | add)
            and (.batches.by_size[:.enters_by_batch | length - 1]) == .enters_by_batch[1:]] | all and length == 6' \
        calls/trials.jsonl '.hosts[].finished | {batches, submitted, enters_by_batch}'
    holds "the kernel counts urgent requests and those that jump the queue" \
        '.cells[] | select(.arm == "flagged" and .host == null and .params.depth == 32) | .ring.batches
            | .urgent > 0 and .jumped > 0 and .jumped <= .urgent and .requests > .urgent' \
        calls.json '.cells[] | {arm, params, batches: .ring.batches}'
    holds "no warning contradicts it" 'all(.warnings[]; .code != "batch-count-disagrees")' calls.json .warnings
fi
jq -r '.cells[] | select(.host == null) | "    \(.arm): urgent p50 \(.urgent.latency_ns.p50) ns, p99 \(.urgent.latency_ns.p99) ns, \(.urgent.overtaken.share) overtaken; bulk \(.bulk.iops.mean | floor) reads/s"' priority.json
