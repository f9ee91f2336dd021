# shellcheck shell=dash
# The agent detects the features of this kernel.
agent probe --json >probe.json
# shellcheck disable=SC2016 # jq has variables of its own
holds "a feature is missing" '
    [.capabilities[] | select(.available) | .name] as $have
    | ["io_uring", "io_uring.single_issuer", "io_uring.defer_taskrun", "io_uring.coop_taskrun",
       "io_uring.no_sqarray", "io_uring.sqpoll", "io_uring.iopoll", "io_uring.registered_ring_fd",
       "io_uring.fixed_files", "io_uring.fixed_buffers", "io_uring.op.uring_cmd", "io_uring.sqe128", "io_uring.cqe32"] - $have == []' \
    probe.json '.capabilities[] | select(.available | not)'
# And exactly the features of the patches that this kernel has.
case $(uname -r) in *-rb-patched) patched=true ;; *) patched=false ;; esac
holds "the features of the patches are not what this kernel has" \
    "[.capabilities[] | select(.name == \"io_uring.urgent\" or .name == \"io_uring.batch_counters\") | .available] == [$patched, $patched]" \
    probe.json '.capabilities[] | select(.name == "io_uring.urgent" or .name == "io_uring.batch_counters")'
holds "the data directory is on a drive without poll queues" \
    '.facts["data_dir.io_poll"] == "1" and .facts["data_dir.file_system"] == "ext4"' probe.json .facts
jq -r '"    \(.facts["kernel.release"]), \([.capabilities[] | select(.available)] | length) of \(.capabilities | length) features; missing: \([.capabilities[] | select(.available | not) | .name] | join(" "))"' probe.json
