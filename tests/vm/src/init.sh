#!/bin/busybox sh
# The first process of the machine: sets up what a booted system has, runs /test and reports how it
# ended.
#
#   ttyS0  the kernel's messages
#   ttyS1  the output of the test
#   ttyS2  one line each: `ready` before the test, `list` and a line of the test's list, `status N`;
#          or `failed` and the command that failed
# Nothing is mounted on /tmp: the files of a run may lie below it, and the root is in memory anyway.
/bin/busybox mkdir -p /proc /sys /dev /tmp /run /root /var/tmp /etc /usr
/bin/busybox --install -s /bin
for folder in /sbin /usr/bin /usr/sbin; do
    [ -e "$folder" ] || ln -s /bin "$folder"
done
export PATH=/bin HOME=/root

end() {
    echo "$*" >/dev/ttyS2
    poweroff -f
}

needed() {
    "$@" || end failed "$*"
}

# The kernel mounts devtmpfs only over a root that it mounted itself.
mount -t devtmpfs dev /dev 2>/dev/null || [ -c /dev/null ] || end failed mount /dev
needed stty -F /dev/ttyS1 raw -echo
needed stty -F /dev/ttyS2 raw -echo
needed mount -t proc proc /proc
needed mount -t sysfs sysfs /sys
mkdir -p /dev/pts /dev/shm
needed mount -t devpts devpts /dev/pts
needed mount -t tmpfs shm /dev/shm
needed mount -t bpf bpf /sys/fs/bpf
needed mount -t tracefs tracefs /sys/kernel/tracing
needed mount -t cgroup2 cgroup2 /sys/fs/cgroup
needed mount -t securityfs securityfs /sys/kernel/security
needed ip link set lo up
for module in /modules/*.ko; do
    needed insmod "$module"
done
echo "root:x:0:0:root:/root:/bin/sh" >/etc/passwd
echo "127.0.0.1 localhost" >/etc/hosts

echo ready >/dev/ttyS2
# The output goes through a pipe, because programs print to a terminal in another way than to a
# file.
{
    sh /test </dev/null 2>&1
    echo "$?" >/run/status
} | cat >/dev/ttyS1
end status "$(cat /run/status)"
