#!/bin/sh
# Runs liburing's tests in the guest, each with a time limit and in its own directory on the NVMe drive. Prints two lines
# for each, one at its beginning and one with its result, which kernel/liburing-tests reads.
# usage:    guest.sh LIMIT TEST…
limit=$1
shift
mount -t tmpfs none /tmp 2>/dev/null
for name in "$@"; do
    printf 'begin\t%s\n' "$name"
    mkdir -p "/data/$name"
    cd "/data/$name" || exit 2
    dmesg -c >/dev/null
    begun=$(cut -d . -f 1 /proc/uptime)
    status=0
    timeout -k 5 "$limit" "/in/tests/$name" >/tmp/log 2>&1 || status=$?
    took=$(($(cut -d . -f 1 /proc/uptime) - begun))
    case $status in
        0) result=pass ;;
        77) result=skip ;;
        124 | 137 | 143) result=timeout ;;
        *) result=fail ;;
    esac
    why=$(tail -n 1 /tmp/log | tr -cd ' -~' | cut -c 1-160)
    # A kernel complaint counts, whatever the test's result.
    splat=$(dmesg | grep -E 'BUG:|WARNING:|Oops:|KASAN|possible circular|INFO: ' | head -n 1)
    [ -z "$splat" ] || {
        result=splat
        why=$splat
    }
    [ $result != pass ] || why=''
    printf 'end\t%s\t%s\t%s\t%s\t%s\n' "$name" $result $status $took "$why"
    cd /data || exit 2
    rm -rf "/data/$name"
done
