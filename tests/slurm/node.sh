#!/usr/bin/env bash
# A Slurm of one node on the loopback interface, with a GPU that is only pretended.
#
#   node.sh install   Debian's packages, where they are missing
#   node.sh up        start it; wait until it takes jobs
#   node.sh down      cancel its jobs and stop it
#
# Needs root. Its settings must be in /etc/slurm, since the executor drops SLURM_* variables.
set -euo pipefail

FOLDER=/var/tmp/sitenet-slurm
SETTINGS=/etc/slurm/slurm.conf
MARK="# written by sitenet's tests/slurm/node.sh"

install() {
    type slurmctld slurmd munged srun > /dev/null 2>&1 && return
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -qq --no-install-recommends slurmctld slurmd slurm-client munge
}

up() {
    if [ -e $SETTINGS ] && ! grep -qxF "$MARK" $SETTINGS; then
        echo "$SETTINGS is that of another Slurm" >&2
        exit 1
    fi
    down
    mkdir -p $FOLDER/{controller,node} /etc/slurm
    chmod 755 $FOLDER
    head -c 1024 /dev/urandom > $FOLDER/munge.key
    chmod 600 $FOLDER/munge.key
    # More CPUs and memory than there are (config_overrides): requests as large as a cluster grants.
    cat > $SETTINGS << CONF
$MARK
ClusterName=sitenet
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$FOLDER/munge.socket
CredType=cred/munge
StateSaveLocation=$FOLDER/controller
SlurmdSpoolDir=$FOLDER/node
SlurmctldPidFile=$FOLDER/slurmctld.pid
SlurmdPidFile=$FOLDER/slurmd.pid
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
MpiDefault=none
ReturnToService=2
SwitchType=switch/none
SchedulerParameters=bf_interval=2,sched_interval=2
GresTypes=gpu
NodeName=localhost NodeAddr=127.0.0.1 CPUs=16 RealMemory=64000 Gres=gpu:1 State=UNKNOWN
PartitionName=main Nodes=localhost Default=YES State=UP
CONF
    echo "NodeName=localhost Name=gpu Count=1 File=/dev/null" > /etc/slurm/gres.conf
    munged --key-file=$FOLDER/munge.key --socket=$FOLDER/munge.socket \
        --pid-file=$FOLDER/munged.pid --log-file=$FOLDER/munged.log --seed-file=$FOLDER/munge.seed
    slurmctld -L $FOLDER/slurmctld.log
    slurmd -N localhost -L $FOLDER/slurmd.log
    for _ in {1..60}; do
        [ "$(sinfo --noheader --format %T 2> /dev/null)" = idle ] && return
        sleep 0.5
    done
    tail -n 20 $FOLDER/*.log >&2
    exit 1
}

down() {
    [ -d $FOLDER ] || return 0
    if [ -e $FOLDER/slurmctld.pid ]; then
        scancel --user=root || true
        for _ in {1..20}; do
            [ -z "$(squeue --noheader 2> /dev/null)" ] && break
            sleep 0.5
        done
    fi
    for daemon in slurmd slurmctld munged; do
        stop $daemon
    done
    grep -qxF "$MARK" $SETTINGS && rm -f $SETTINGS /etc/slurm/gres.conf
    rm -rf $FOLDER
}

# End a daemon by its number, if the number still is that daemon's.
stop() {
    local number
    number=$(cat $FOLDER/"$1".pid 2> /dev/null) || return 0
    [ "$(cat /proc/"$number"/comm 2> /dev/null)" = "$1" ] || return 0
    kill "$number"
    timeout 10 tail --pid="$number" -f /dev/null || kill -9 "$number"
}

"$@"
