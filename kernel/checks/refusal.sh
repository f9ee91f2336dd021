# shellcheck shell=dash
# A device without poll queues: iopoll is refused with a remedy; with `fallback: allow` the arm runs with a warning.
cat >loop.yaml <<'YAML'
name: loop
target: {ramdisk: {size: 16MiB, kind: loop}}
workload: {warmup: 50ms, runtime: 200ms}
arms: {polled: {engine: io_uring, iopoll: true}}
trials: 1
YAML
run refused 3 loop.yaml
holds "the refusal names option and remedy" \
    '.[0].hosts[0].refusal | .code == "knob-refused" and .field == "engine.iopoll" and (.remedy | test("poll_queues=1"))' \
    refused/trials.jsonl '.hosts[0].refusal'
run allowed "0 4" --set arms.polled.fallback=allow loop.yaml
holds "the option is reported as not granted" '.cells[0].ring | .requested.iopoll == "true" and .granted.iopoll == "false"' \
    allowed.json '.cells[0].ring'
jq -r '"    \(.hosts[0].refusal.message)"' refused/trials.jsonl
