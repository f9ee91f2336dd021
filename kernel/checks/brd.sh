# shellcheck shell=dash
# A brd disk is used if it is blank, refused if it is not, and blank again afterwards. The other kinds work too.
cat >kind.yaml <<'YAML'
name: kind
target: {ramdisk: {size: 16MiB, kind: brd}}
workload: {warmup: 50ms, runtime: 200ms}
arms: {uring: {engine: io_uring, depth: 4}}
trials: 1
YAML
for kind in brd loop zram tmpfs auto; do
    run "$kind" "0 4" --set "target.ramdisk.kind=$kind" kind.yaml
    used=$(jq -r '.hosts[0].ready.target.ramdisk' "$kind/trials.jsonl" | sort -u)
    [ "$kind" = auto ] || [ "$used" = "$kind" ] || fail "$used instead of $kind"
    holds "$kind: reads" '.cells[0].iops.mean > 0' "$kind.json"
    [ -z "$(ram_disks)" ] || fail "$kind: a RAM disk is left: $(ram_disks)"
    # brd keeps its contents when it is closed.
    [ "$kind" != brd ] || [ "$(head -c 16777216 /dev/ram0 | tr -d '\0' | wc -c)" = 0 ] || fail "brd: the disk is not blank"
done
[ "$used" = null_blk ] || fail "auto chose $used, not null_blk"
echo "somebody's" | dd of=/dev/ram0 conv=notrunc 2>/dev/null
run taken 3 kind.yaml
holds "a disk with contents is refused" \
    '.[0].hosts[0].refusal | .remedy != "" and (.message | contains("ram0") and (contains("/dev/ram0") | not))' taken/trials.jsonl
dd if=/dev/zero of=/dev/ram0 bs=4096 count=1 conv=notrunc 2>/dev/null
echo "    brd, loop, zram, tmpfs and null_blk work and are removed; brd with contents is refused"
