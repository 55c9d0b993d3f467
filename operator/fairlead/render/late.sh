# shellcheck shell=sh
# shellcheck disable=SC3043,SC2154 # as in driver.sh, of which this is a part
#
# Steps that the agent defines when their turn has come. docs/driver.md has what the two say to each other.

_f_asks=0 _f_silent=''

# INDEX: asks the agent for the step until it answers; in vain only until the job is over, but for 7 seconds.
_f_late() {
  local _f_patience=''
  _f_tired=
  until [ "$_f_silent$_f_over" ]; do
    _f_look
    _f_known=$_f_why
    if [ "$_f_why" ] && [ -z "$_f_patience" ]; then
      _f_busy=1 _f_tired=
      true >"$_f_home/patience"
      _f_alarm 7 USR2 "$_f_home/patience"
      _f_patience=$! _f_busy=''
      _f_attend
    fi
    if _f_inquire "$1"; then
      _f_hush "$_f_patience" "$_f_home/patience"
      # shellcheck disable=SC1091 # written by the agent
      . "$_f_home/agent/answer"
      return
    fi
    [ -z "$_f_patience$_f_tired" ] || [ -z "$_f_tired" ] || _f_silent=1
  done
  _f_hush "$_f_patience" "$_f_home/patience"
  _f_exit=143 _f_allowed='' _f_label=$(($1 + 1))
  [ "$_f_why" = interrupted ] || _f_exit=124
  _f_fail "the agent did not answer, so nobody knows what this step is"
  _f_now
  _f_record "${_f_exit}x" " $_f_time $_f_time"
}

# INDEX: asks once, and waits for the answer. Fails when something has come in between.
_f_inquire() {
  if ! [ -p "$_f_home/agent/answers" ]; then
    sleep 0.05 || sleep 1
    return 1
  fi 2>/dev/null
  _f_asks=$((_f_asks + 1))
  printf 'ask %s %s %s%s\nend\n' "$_f_asks" "$1" "$_f_state" "$_f_codes" >"$_f_home/question" || return
  {
    echo >&6
    while [ "$_f_why$_f_tired$_f_over" = "$_f_known" ]; do
      read -r _f_rest <&5 || return
      if [ "$_f_rest" = "$_f_asks" ] && [ -f "$_f_home/agent/answer" ]; then
        [ "$_f_why$_f_over" = "$_f_known" ]
        return
      fi
    done
  } 5<>"$_f_home/agent/answers" 6<>"$_f_home/agent/questions" 2>/dev/null
  return 1
}
