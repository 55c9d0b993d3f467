# shellcheck shell=sh
# shellcheck disable=SC3043 # `local` is not in POSIX, but in every sh that images have (dash, bash, busybox)
#
# The constant part of the step driver, PID 1 of a job's container; docs/driver.md has its contract.
# driver.py strips comments and indentation and appends the calls: _f_begin, for each step a definition
# of _f_run and a call of _f_step, and _f_finish.
#
# - It forks only where it must: for a step, for the alarm, and for an error's text.
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
  _f_code=0 _f_why='' _f_busy='' _f_error='' _f_index=0 _f_origin=0 _f_sets=0 _f_path=''
  _f_steps='' _f_codes='' _f_last='' _f_times=0 _f_outputs=''
  _f_now
  _f_origin=$_f_time
  # Before the traps, so that nothing is lost between the fork and the alarm's own trap.
  _f_alarm "$1"
  trap '_f_stop interrupted' TERM INT
  trap _f_rang ALRM
  # `&` makes the shell ignore SIGINT and SIGQUIT in the child, which no shell can undo. GNU env can.
  _f_reset=
  if /usr/bin/env --default-signal=INT,QUIT; then _f_reset=1; fi >/dev/null 2>&1
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

# SECONDS: sends us SIGALRM then. Holds none of our files open, and takes its sleep along when it is killed.
_f_alarm() {
  (
    trap 'kill $!; exit' TERM
    sleep "$1" &
    wait $! && kill -ALRM $$
  ) </dev/null >/dev/null 2>&1 &
  _f_alarm=$!
}

# The traps. They run between any two commands, so they share no variable with the rest but _f_why, _f_woken
# and _f_busy: while a step is forked they may not fork, because $! is still to be read.
_f_stop() {
  _f_woken=1
  [ -z "$_f_why" ] || return 0
  _f_why=$1
  [ "$_f_busy" ] || _f_ask
}

_f_rang() {
  if [ "$_f_why" ]; then _f_signal KILL; else _f_stop timeout; fi
}

# Asks all processes to end, and has the alarm ring again for those that don't.
_f_ask() {
  _f_signal TERM
  _f_alarm 7
}

# NAME: sends the signal to everything but us: all of the container where we are its PID 1, else the
# members of the session or the process group that we lead.
_f_signal() {
  if [ $$ = 1 ]; then
    kill "-$1" -1
    return
  fi
  for _f_p in /proc/[0-9]*/stat; do
    read -r _f_s <"$_f_p" || continue
    # shellcheck disable=SC2086 # split on purpose: state, parent, process group, session
    set -- "$1" ${_f_s##*)}
    [ "$4" = $$ ] || [ "$5" = $$ ] || continue
    [ "$_f_p" = "/proc/$$/stat" ] && continue
    _f_p=${_f_p#/proc/}
    kill "-$1" "${_f_p%/stat}"
  done
} 2>/dev/null

# ID LABEL WANTED FOLDER SCRIPT: a step. WANTED has a line for each output's name, or is `*`. A condition
# of the step's own would take the place of the first line.
_f_step() {
  [ "$_f_code$_f_why" = 0 ] || return 0
  _f_id=$1 _f_label=$2 _f_wanted=$3 _f_file=$_f_home/step-$_f_index
  _f_now
  _f_start=$_f_time
  printf '::group::%s\n' "$2"
  _f_launch "$4" "$5"
  _f_now
  printf '::endgroup::\n'
  if [ "$_f_cause" ]; then
    _f_fail "$_f_cause"
  elif [ "$_f_code" != 0 ] && [ -z "$_f_why" ]; then
    printf '::error::step "%s" failed with exit code %s\n' "$2" "$_f_code"
  fi
  _f_collect
  _f_record
  _f_write
  _f_index=$((_f_index + 1))
}

# FOLDER SCRIPT: runs the script and sets _f_code, and _f_cause where it could not.
_f_launch() {
  _f_cause=
  for _f_name in CAUSE OUTPUT ENV PATH STEP_SUMMARY; do
    true >"$_f_file-$_f_name"
  done 2>/dev/null
  if ! { printf '%s\n' "$2" >"$_f_file"; } 2>/dev/null; then
    _f_code=1 _f_cause="cannot write to $_f_home"
    return
  fi
  _f_busy=1
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
    esac 2>/dev/null || _f_exit 1 "cannot go to the working directory \"$1\""
    _f_run "$_f_file"
  ) </dev/null &
  _f_pid=$! _f_busy='' _f_woken=1
  [ -z "$_f_why" ] || _f_ask
  while [ "$_f_woken" ]; do
    _f_woken=
    wait "$_f_pid" 2>/dev/null
    _f_code=$?
  done
  { read -r _f_cause <"$_f_file-CAUSE"; } 2>/dev/null
}

# CODE TEXT: ends the step's process before its script began.
_f_exit() {
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
  command -v "$1" >/dev/null || _f_exit 127 "the shell \"$1\" was not found"
  for _f_name in OUTPUT ENV PATH STEP_SUMMARY; do
    export "FAIRLEAD_$_f_name=$_f_file-$_f_name" "GITHUB_$_f_name=$_f_file-$_f_name"
  done
  [ -z "$_f_reset" ] || exec /usr/bin/env --default-signal=INT,QUIT "$@"
  exec "$@"
}

# What the step left in its files. LC_ALL: sizes are bytes, and classes are ASCII.
_f_collect() {
  local LC_ALL=C
  _f_read OUTPUT _f_output
  _f_read ENV _f_env
  [ -f "$_f_file-PATH" ] || return 0
  while IFS= read -r _f_line || [ "$_f_line" ]; do
    [ -z "$_f_line" ] || _f_path=$_f_line:$_f_path
  done <"$_f_file-PATH"
}

# KIND FUNCTION: calls the function for each record of the file, with _f_name and _f_value set.
_f_read() {
  [ -f "$_f_file-$1" ] || return 0
  _f_at=0
  while IFS= read -r _f_line || [ "$_f_line" ]; do
    _f_at=$((_f_at + 1))
    _f_name=${_f_line%%=*}
    case $_f_name in
    '')
      [ "$_f_line" ] || continue
      ;;
    *'<<'*)
      _f_name=${_f_line%%'<<'*} _f_end=${_f_line#*'<<'} _f_value='' _f_break=''
      [ "$_f_end" ] || _f_name=
      _f_from=$_f_at
      while [ "$_f_name" ]; do
        if ! { IFS= read -r _f_line || [ "$_f_line" ]; }; then
          _f_fail "FAIRLEAD_$1, line $_f_from: its delimiter does not come again"
          return
        fi
        _f_at=$((_f_at + 1))
        case $_f_line in
        "$_f_end") break ;;
        esac
        _f_value=$_f_value$_f_break$_f_line _f_break=$_f_nl
      done
      ;;
    "$_f_line") _f_name= ;;
    *) _f_value=${_f_line#*=} ;;
    esac
    if [ -z "$_f_name" ]; then
      _f_fail "FAIRLEAD_$1, line $_f_at: neither NAME=value nor NAME<<DELIMITER"
      return
    fi
    "$2" || return
  done <"$_f_file-$1"
}

# Takes an output, if it is wanted and fits. Of two with the same name the last one counts.
_f_output() {
  case $_f_nl$_f_wanted$_f_nl in
  "$_f_nl*$_f_nl" | *"$_f_nl$_f_name$_f_nl"*) ;;
  *) return 0 ;;
  esac
  _f_escape "$_f_name"
  _f_key="${_f_nl}o $_f_id $_f_escaped="
  case $_f_outputs in
  *"$_f_key"*)
    _f_rest=${_f_outputs#*"$_f_key"}
    _f_outputs=${_f_outputs%%"$_f_key"*}
    case $_f_rest in
    *"$_f_nl"*) _f_outputs=$_f_outputs$_f_nl${_f_rest#*"$_f_nl"} ;;
    esac
    ;;
  esac
  # 60: the first and the last line, and the steps' codes that are still to come.
  _f_left=$((_f_room - 60 - ${#_f_codes} - ${#_f_outputs} - ${#_f_key}))
  _f_escaped=$_f_value
  [ "${#_f_value}" -gt "$_f_left" ] || _f_escape "$_f_value"
  if [ "${#_f_escaped}" -gt "$_f_left" ]; then
    _f_fail "the output \"$_f_name\" takes ${#_f_escaped} bytes, and $_f_left of $_f_room are left for this job's outputs"
    return 1
  fi
  _f_outputs=$_f_outputs$_f_key$_f_escaped
}

# Takes a variable for the later steps.
_f_env() {
  case $_f_name in
  FAIRLEAD_* | GITHUB_* | _f_*) _f_line="is reserved" ;;
  [!A-Za-z_]* | *[!A-Za-z0-9_]*) _f_line="is no name for a variable" ;;
  *)
    _f_sets=$((_f_sets + 1))
    eval "_f_set$_f_sets=\$_f_name=\$_f_value"
    return
    ;;
  esac
  _f_fail "FAIRLEAD_ENV, line $_f_at: \"$_f_name\" $_f_line"
  return 1
}

# TEXT: sets _f_escaped to one line, with \\ and \n.
_f_escape() {
  _f_rest=$1 _f_escaped=
  while :; do
    _f_head=${_f_rest%%[\\"$_f_nl"]*}
    _f_escaped=$_f_escaped$_f_head
    _f_rest=${_f_rest#"$_f_head"}
    case $_f_rest in
    '') return ;;
    \\*) _f_escaped=$_f_escaped\\\\ ;;
    *) _f_escaped=$_f_escaped\\n ;;
    esac
    _f_rest=${_f_rest#?}
  done
}

# TEXT: the step fails for a reason of ours. The first reason goes into the report.
_f_fail() {
  local LC_ALL=C
  printf '::error::step "%s": %s\n' "$_f_label" "$1"
  [ "$_f_code" != 0 ] || _f_code=1
  [ -z "$_f_error" ] || return 0
  _f_escape "$1"
  _f_error=$_f_nl"e $(printf %.200s "$_f_escaped")"
}

# The step's line, and in _f_codes the same without times and with a count for equal ones.
_f_record() {
  case $_f_why in
  timeout) _f_code=124 ;;
  interrupted) _f_code=143 ;;
  esac
  _f_steps=$_f_steps$_f_nl"s $_f_code $_f_start $_f_time"
  if [ "$_f_code" = "$_f_last" ]; then
    _f_times=$((_f_times + 1))
    _f_codes=${_f_codes%"$_f_nl"*}
  else
    _f_last=$_f_code _f_times=1
  fi
  _f_codes=$_f_codes$_f_nl"s $_f_code*$_f_times"
}

# [LAST]: writes the report, at once and whole. What doesn't fit is left out: the times; if there is an error
# to tell, the outputs, too.
_f_write() {
  local LC_ALL=C
  set -- "$_f_error${1:+$_f_nl$1}"
  for _f_text in "$_f_steps$_f_outputs" "$_f_codes$_f_outputs" "$_f_codes"; do
    _f_text="fairlead 1$_f_text$1"
    [ "${#_f_text}" -ge "$_f_room" ] || break
  done
  { printf '%s\n' "$_f_text" >"$_f_report"; } 2>/dev/null
}

_f_finish() {
  trap '' TERM INT ALRM
  case $_f_why in
  timeout)
    printf '::error::timed out after %ss\n' "$_f_timeout"
    _f_code=124
    _f_write 'end 124 timeout'
    ;;
  interrupted)
    printf '::error::interrupted\n'
    _f_code=143
    ;;
  *) _f_write "end $_f_code" ;;
  esac
  # PID 1 takes everything along. Elsewhere nothing may stay either: neither the alarm, nor a sleep that it
  # is about to start.
  [ $$ = 1 ] || if kill -0 "-$$"; then
    kill -KILL "$_f_alarm"
    wait "$_f_alarm"
    _f_signal KILL
  else
    kill "$_f_alarm"
  fi 2>/dev/null
  exit "$_f_code"
}
