# shellcheck shell=sh
# shellcheck disable=SC3043 # `local` is not in POSIX, but in every sh that images have (dash, bash, busybox)
# shellcheck disable=SC2154 # some variables are set in the other parts
#
# The step driver, PID 1 of a job's container; docs/driver.md has its contract. Here: the life of the job and of its
# steps. files.sh has what steps write and what is reported; masks.sh and late.sh are for the jobs that need them.
# driver.py strips comments and indentation and appends the calls: _f_begin, for each step a definition
# of _f_run and a call of _f_step, and _f_finish.
#
# - It forks only where it must: for a step, for an alarm, and for what no builtin can.
# - User text arrives in quoted arguments and in files, and is never evaluated.
# - The shell's variables are the container's environment too, so every name of ours begins with _f_.
# - Only builtins that dash, bash and busybox share; commands from the image are optional.

_f_nl='
'

# TIMEOUT ROOM: seconds for all steps together; bytes that the report may have.
_f_begin() {
  _f_timeout=$1 _f_room=$2
  _f_home=${FAIRLEAD_HOME:-/fairlead} _f_report=${FAIRLEAD_REPORT:-/dev/termination-log}
  export CI="${CI-true}" FAIRLEAD_WORKSPACE="${FAIRLEAD_WORKSPACE:-/workspace}"
  export GITHUB_WORKSPACE="$FAIRLEAD_WORKSPACE"
  _f_code=0 _f_state=success _f_why='' _f_over='' _f_told='' _f_asked='' _f_seven='' _f_deaf='' _f_rang=''
  _f_pid='' _f_expired='' _f_keep=' ' _f_left=' ' _f_filter='' _f_masks='' _f_before=''
  _f_error='' _f_index=0 _f_origin=0 _f_sets=0 _f_path='' _f_allowed='' _f_label=''
  _f_steps='' _f_codes='' _f_last='' _f_times=0 _f_outputs='' _f_large='' _f_spilled=0 _f_files=0
  # Lists are split at blanks and newlines, and only one place wants file names made of patterns.
  set -f
  _f_now
  _f_origin=$_f_time
  # Before the traps, so that nothing is lost between the fork and the alarm's own trap.
  _f_alarm "$1" ALRM ''
  _f_clock=$! _f_busy=1
  trap '_f_stop interrupted' TERM INT
  trap '_f_stop timeout' ALRM
  trap '_f_expired=1; _f_ring' USR1
  trap '_f_deaf=1 _f_tired=1; _f_ring' USR2
  # Each step is a session of its own, so that what it sends to its group or to its timeout's victims stays there.
  _f_setsid=
  ! command -v setsid >/dev/null || _f_setsid=$(command -v setsid)
  # `&` makes the shell ignore SIGINT and SIGQUIT in the child, which no shell can undo. GNU env can.
  _f_reset=
  if /usr/bin/env --default-signal=INT,QUIT; then _f_reset=1; fi >/dev/null 2>&1
  _f_busy=
  _f_attend
  _f_write
}

# Sets _f_time: hundredths of a second since the start, 0 where the kernel does not tell.
_f_now() {
  _f_time=
  { read -r _f_time _f_rest </proc/uptime; } 2>/dev/null
  case $_f_time in
  *.??) _f_time=$((${_f_time%.*} * 100 + 1${_f_time#*.} - 100 - _f_origin)) ;;
  *) _f_time=0 ;;
  esac
}

# SECONDS SIGNAL FILE: sends us the signal then. Holds none of our files open, and takes its sleep along when it is
# sent SIGTERM, which may be lost until there is something in FILE. Does not ring once that is gone.
_f_alarm() {
  (
    trap 'kill -KILL $!; exit' TERM
    sleep "$1" &
    [ -z "$3" ] || echo ready >"$3"
    wait $! && { [ -z "$3" ] || [ -s "$3" ]; } && kill "-$2" $$
  ) </dev/null >/dev/null 2>&1 3>&- 4>&- &
  _f_keep="$_f_keep$! "
}

# Traps run between any two commands, so they share no variable with the rest but those that say what came. While
# _f_busy they leave it at that, because $! is still to be read; whoever set it looks afterwards.
_f_stop() {
  if [ -z "$_f_why" ]; then
    _f_why=$1
  elif [ "$1" = timeout ]; then
    _f_over=1
  fi
  _f_ring
}

_f_ring() {
  _f_rang=1 _f_woken=1
  _f_attend
}

# Does what those signals ask for that came and were not seen to.
_f_attend() {
  [ -z "$_f_busy" ] || return 0
  while [ "$_f_rang" ]; do
    _f_busy=1 _f_rang=
    if [ "$_f_why" ] && [ -z "$_f_asked" ]; then
      _f_asked=1
      _f_ask ''
      # What cleans up after a timeout has this long.
      [ "$_f_why" = interrupted ] || _f_alarm 60 ALRM ''
    elif [ "$_f_expired" = 1 ] && [ "$_f_pid" ]; then
      _f_expired=2
      _f_ask step
    fi
    if [ "$_f_over" ] || [ "$_f_deaf" ] && [ "$_f_pid" ]; then
      _f_deaf=
      case $_f_over$_f_why in
      "$_f_before") _f_signal KILL step ;;
      *) _f_signal KILL '' ;;
      esac
    fi
    _f_busy=
  done
}

# WHOM: asks processes to end. A step that doesn't is killed 7 seconds later.
_f_ask() {
  _f_signal TERM "$1"
  [ "$_f_pid" ] && [ -z "$_f_seven" ] || return 0
  _f_alarm 7 USR2 "$_f_file-SEVEN"
  _f_seven=$!
}

# NAME WHOM: sends the signal to everything but us and our own: all of the container where we are its PID 1, else the
# sessions and the process groups that we and the steps lead. If WHOM is `step`, only to the running step's process, to
# those in its session, and to those that descend from them.
_f_signal() {
  local IFS=' ' _f_p _f_s _f_of=' ' _f_more=1
  [ -z "$2" ] || _f_of=" $_f_pid "
  while [ "$_f_more" ]; do
    _f_more=
    set +f
    for _f_p in /proc/[0-9]*/stat; do
      set -f
      read -r _f_s <"$_f_p" || continue
      _f_p=${_f_p#/proc/} _f_p=${_f_p%/stat}
      # shellcheck disable=SC2086 # split on purpose: state, parent, process group, session
      set -- "$1" "$2" ${_f_s##*)}
      [ "$_f_p" != $$ ] || continue
      case $_f_of$_f_keep in
      *" $_f_p "*) continue ;;
      esac
      case $_f_keep in
      *" $4 "*) continue ;;
      esac
      if [ "$2" ]; then
        _f_s=$_f_of
      elif [ $$ = 1 ]; then
        _f_s=" $6 "
      else
        _f_s=" $$ $_f_pid$_f_left"
      fi
      case $_f_s in
      *" $4 "* | *" $5 "* | *" $6 "*) _f_of="$_f_of$_f_p " _f_more=$2 ;;
      esac
    done
    set -f
  done
  # shellcheck disable=SC2086 # as above
  kill "-$1" $_f_of
} 2>/dev/null

# ID LABEL WANTED FOLDER SCRIPT [STATES [ALLOWED [TIMEOUT]]]: a step. WANTED has a line for each output's name, or is
# `*`. STATES are those of the job in which it runs, ALLOWED is 1 where its failure doesn't matter, TIMEOUT in seconds.
_f_step() {
  _f_look
  case "$_f_over ${6-success} " in
  " "*"$_f_state "*) ;;
  *)
    _f_skip
    return
    ;;
  esac
  _f_id=$1 _f_label=$2 _f_wanted=$3 _f_allowed=$7 _f_file=$_f_home/step-$_f_index _f_before=$_f_why$_f_over
  _f_now
  _f_start=$_f_time
  printf '::group::%s\n' "$2"
  _f_launch "$4" "$5" "${8-}"
  _f_now
  printf '::endgroup::\n'
  _f_token=
  if [ "$_f_why$_f_over" != "$_f_before" ]; then
    _f_exit=143 _f_token=x
    [ "$_f_why" = interrupted ] || _f_exit=124
  elif [ "$_f_expired" ]; then
    printf '::error::step "%s" timed out after %ss\n' "$2" "$8"
    _f_exit=124 _f_token=t
  elif [ "$_f_cause" ]; then
    _f_fail "$_f_cause"
  elif [ "$_f_exit" != 0 ]; then
    printf '::error::step "%s" failed with exit code %s\n' "$2" "$_f_exit"
  fi
  _f_collect
  if [ "$_f_exit" != 0 ] && [ "$_f_token" != x ]; then
    if [ "$_f_allowed" ]; then
      _f_token=${_f_token}c
    else
      [ "$_f_state" = cancelled ] || _f_state=failure
      [ "$_f_code" != 0 ] || _f_code=$_f_exit
    fi
  fi
  _f_look
  _f_record "$_f_exit$_f_token" " $_f_start $_f_time"
  _f_write
}

# A step that does not run.
_f_skip() {
  _f_record - ''
}

# Takes note of what came from outside, and says so once.
_f_look() {
  [ "$_f_why" ] && [ -z "$_f_told" ] || return 0
  _f_told=1 _f_state=cancelled
  case $_f_why in
  timeout) printf '::error::timed out after %ss\n' "$_f_timeout" ;;
  *) printf '::error::interrupted\n' ;;
  esac
}

# FOLDER SCRIPT TIMEOUT: runs the script and sets _f_exit, and _f_cause where it could not.
_f_launch() {
  _f_cause='' _f_expired='' _f_deaf=''
  for _f_name in CAUSE ALARM SEVEN OUTPUT ENV PATH STEP_SUMMARY; do
    true >"$_f_file-$_f_name"
  done 2>/dev/null
  if ! { printf '%s\n' "$2" >"$_f_file"; } 2>/dev/null; then
    _f_exit=1 _f_cause="cannot write to $_f_home"
    return
  fi
  _f_busy=1 _f_limit=
  if [ "$3" ]; then
    _f_alarm "$3" USR1 "$_f_file-ALARM"
    _f_limit=$!
  fi
  (
    _f_i=0
    while [ "$_f_i" -lt "$_f_sets" ]; do
      _f_i=$((_f_i + 1))
      eval "export \"\$_f_set$_f_i\""
    done
    [ -z "$_f_path" ] || export PATH="$_f_path$PATH"
    case $1 in
    /*) cd "$1" ;;
    *) cd "$FAIRLEAD_WORKSPACE/$1" ;;
    esac 2>/dev/null || _f_refuse 1 "cannot go to the working directory \"$1\""
    _f_run "$_f_file"
  ) </dev/null 3>&- 4>&- &
  _f_pid=$! _f_busy='' _f_woken=1
  _f_attend
  # A signal may come with the step's end, and then the wait that it interrupts has no status of the step, though it is
  # gone. Another one has it, but not in bash, which may wait for ever.
  _f_gone=
  while [ "$_f_woken" ]; do
    _f_woken=
    wait "$_f_pid"
    _f_rest=$?
    [ "$_f_gone$_f_rest" = 1127 ] || _f_exit=$_f_rest
    kill -0 "$_f_pid" && continue
    [ -z "$_f_gone${BASH_VERSION-}" ] || break
    _f_gone=1
  done 2>/dev/null
  kill -0 "-$_f_pid" 2>/dev/null && _f_left="$_f_left$_f_pid "
  _f_pid=
  _f_hush "$_f_limit" "$_f_file-ALARM"
  _f_hush "$_f_seven" "$_f_file-SEVEN"
  _f_seven=
  { read -r _f_cause <"$_f_file-CAUSE"; } 2>/dev/null
}

# PID FILE: ends an alarm. It isn't waited for: bash may have lost its status when a wait was interrupted.
_f_hush() {
  [ "$1" ] || return 0
  _f_i=0
  until [ -s "$2" ] || [ "$_f_i" = 9999 ]; do
    _f_i=$((_f_i + 1))
  done
  true >"$2"
  kill "$1"
} 2>/dev/null

# CODE TEXT: ends the step's process before its script began.
_f_refuse() {
  printf '%s\n' "$2" >"$_f_file-CAUSE"
  exit "$1"
}

# FILE: the shell of steps that name none.
_f_auto() {
  if command -v bash >/dev/null; then
    _f_exec bash --noprofile --norc -eo pipefail "$1"
  else
    _f_exec sh -e "$1"
  fi
}

# COMMAND...: becomes the step's shell.
_f_exec() {
  command -v "$1" >/dev/null || _f_refuse 127 "the shell \"$1\" was not found"
  for _f_name in OUTPUT ENV PATH STEP_SUMMARY; do
    export "FAIRLEAD_$_f_name=$_f_file-$_f_name" "GITHUB_$_f_name=$_f_file-$_f_name"
  done
  [ -z "$_f_reset" ] || set -- /usr/bin/env --default-signal=INT,QUIT "$@"
  [ -z "$_f_setsid" ] || set -- "$_f_setsid" "$@"
  exec "$@"
}

# TEXT: the step fails for a reason of ours. The first one that matters goes into the report.
_f_fail() {
  local LC_ALL=C
  printf '::error::step "%s": %s\n' "$_f_label" "$1"
  [ "$_f_exit" != 0 ] || _f_exit=1
  [ -z "$_f_error$_f_allowed" ] || return 0
  _f_hidden=$1
  [ -z "$_f_masks" ] || _f_hide "$1"
  _f_escape "$_f_hidden"
  _f_error=$(printf %.200s "$_f_escaped")
  _f_utf8 "$_f_error" || _f_error=$(printf %s "$_f_error" | tr '\200-\377' '?')
  _f_error=$_f_nl"e $_f_error"
}

# TOKEN TIMES: the step's line, and in _f_codes the same without times and with a count for equal ones.
_f_record() {
  _f_index=$((_f_index + 1))
  _f_steps=$_f_steps$_f_nl"s $1$2"
  if [ "$1" = "$_f_last" ]; then
    _f_times=$((_f_times + 1))
    _f_codes=${_f_codes%"$_f_nl"*}
  else
    _f_last=$1 _f_times=1
  fi
  _f_codes=$_f_codes$_f_nl"s $1*$_f_times"
}

# [LAST]: writes the report, at once and whole. What doesn't fit is left out: the times; if there is an error
# to tell, the outputs, too.
_f_write() {
  local LC_ALL=C
  set -- "$_f_error${1:+$_f_nl$1}"
  for _f_text in "$_f_steps$_f_outputs" "$_f_codes$_f_outputs" "$_f_codes"; do
    _f_text="fairlead 2$_f_text$1"
    [ "${#_f_text}" -ge "$_f_room" ] || break
  done
  { printf '%s\n' "$_f_text" >"$_f_report"; } 2>/dev/null
}

_f_finish() {
  _f_busy=1
  trap '' TERM INT ALRM USR1 USR2
  _f_look
  [ -z "$_f_filter" ] || _f_unmask
  _f_log=
  [ "$_f_why" = interrupted ] || [ -z "$_f_large" ] || _f_frame
  case $_f_why in
  timeout)
    _f_code=124
    _f_write "${_f_log}end 124 timeout"
    ;;
  interrupted)
    _f_code=143
    _f_write
    ;;
  *) _f_write "${_f_log}end $_f_code" ;;
  esac
  # PID 1 takes everything along. Elsewhere nothing may stay either.
  [ $$ = 1 ] || _f_clear
  exit "$_f_code"
}

# Ends everything but us: alarms, too, and a sleep that one of them is about to start.
_f_clear() {
  if [ $$ = 1 ]; then
    kill -KILL -1
  elif kill -0 "-$$"; then
    # shellcheck disable=SC2086 # a list
    kill -KILL $_f_keep
    wait "$_f_clock"
    _f_keep=' '
    _f_signal KILL ''
  else
    kill "$_f_clock"
    _f_signal KILL ''
  fi
} 2>/dev/null
