# Installs the Debian packages that are its arguments, as root, without starting what they bring.
set -eu

export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
kept=/usr/sbin/policy-rc.d.before-portcullis-tests

# Two runs at once would put back each other's file.
exec 9> /var/lock/portcullis-apt-install
flock 9

restore() {
    rm -f "$policy"
    if [ -e "$kept" ]; then mv "$kept" "$policy"; fi
}
trap restore EXIT
trap 'exit 130' HUP INT TERM

# A package may start its daemon when it is installed; this file forbids it. A kept file that is already
# there was left by a run that was killed: it, and not the forbidding one, is what stood here before.
if [ ! -e "$kept" ] && [ -e "$policy" ]; then mv "$policy" "$kept"; fi
printf '#!/bin/sh\nexit 101\n' > "$policy"
chmod 755 "$policy"

options="-o DPkg::Lock::Timeout=300 -o Acquire::Retries=3"
apt-get $options update
apt-get $options install -y --no-install-recommends "$@"
