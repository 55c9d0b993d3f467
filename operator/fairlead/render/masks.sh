# shellcheck shell=sh
# shellcheck disable=SC3043,SC2154 # as in driver.sh, of which this is a part
#
# Secrets are hidden in the log: everything goes through a filter, in awk where the image has it. A line with _f_key,
# which nobody can guess, is an order to the filter. _f_masks has what is hidden, a line each, the longest first.

# NAME...: starts the filter; the names are those of variables that hold secrets.
_f_mask() {
  { read -r _f_order </proc/sys/kernel/random/uuid; } 2>/dev/null || _f_order=$$
  _f_order="fairlead $_f_order " _f_lengths=$_f_nl
  for _f_name in "$@"; do
    eval "_f_learn \"\${$_f_name-}\""
  done
  for _f_name in log answers; do
    [ -p "$_f_home/$_f_name" ] || mkfifo "$_f_home/$_f_name"
  done 2>/dev/null
  if ! { [ -p "$_f_home/answers" ] && : >"$_f_home/masks"; } 2>/dev/null; then
    _f_error="secrets cannot be hidden in the log: the image has no mkfifo, or $_f_home is not writable"
    printf '::error::%s\n' "$_f_error"
    _f_error=$_f_nl"e $_f_error" _f_code=1
    _f_finish
  fi
  # Opened for both, a named pipe is open at once; 5 is closed when the filter has it, too.
  exec 3>&1 4<>"$_f_home/answers" 5<>"$_f_home/log"
  _f_busy=1
  _f_filter <"$_f_home/log" >&3 3>&- 5>&- &
  _f_filter=$! _f_keep="$_f_keep$! " _f_busy=''
  _f_attend
  # Without the filter our own words are lost, but not the job.
  trap : PIPE
  exec >"$_f_home/log" 2>&1
  _f_sync
  exec 5>&-
}

# Some arguments make awk pass each line on at once in one image, and mean nothing in others.
_f_filter() {
  trap '' TERM INT HUP
  LC_ALL=C
  for _f_try in '-W interactive' ''; do
    # More than this may be more than a variable of a process can hold.
    [ "${#_f_masks}" -lt 100000 ] || break
    # shellcheck disable=SC2086 # split on purpose
    case $(echo ok | awk $_f_try '{ print; fflush() }' 2>/dev/null) in
    ok) LC_ALL=C _f_masks=$_f_masks _f_order=$_f_order _f_home=$_f_home exec awk $_f_try "$_f_awk" 2>/dev/null ;;
    esac
  done
  _f_lines
}

# Waits until the filter has seen everything so far, and takes over what it was told to hide.
_f_sync() {
  printf '%s\n' "$_f_order"
  until read -r _f_rest <&4 || [ "$_f_over" ]; do :; done
  [ -s "$_f_home/masks" ] || return 0
  while IFS= read -r _f_line; do
    _f_learn "$_f_line"
  done <"$_f_home/masks"
  : >"$_f_home/masks"
} 2>/dev/null

# Ends the filter, with all that was written before. From here on the log is the container's own.
_f_unmask() {
  printf '%send\n' "$_f_order"
  exec >&3 2>&1 3>&- 4>&-
  wait "$_f_filter"
}

# shellcheck disable=SC2016 # awk's variables
_f_awk='
function learn(text, i) {
  sub(/^[ \t\r]+/, "", text)
  sub(/[ \t\r]+$/, "", text)
  if (length(text) < 3) return
  for (i = ++count; i > 1 && length(mask[i - 1]) < length(text); i--) mask[i] = mask[i - 1]
  mask[i] = text
}
function hide(text, i, at, done) {
  for (i = 1; i <= count; i++) {
    done = ""
    while ((at = index(text, mask[i])) > 0) {
      done = done substr(text, 1, at - 1) "***"
      text = substr(text, at + length(mask[i]))
    }
    text = done text
  }
  return text
}
BEGIN {
  order = ENVIRON["_f_order"]
  answers = ENVIRON["_f_home"] "/answers"
  learned = ENVIRON["_f_home"] "/masks"
  count = split(ENVIRON["_f_masks"], mask, "\n")
}
(at = index($0, order)) > 0 {
  printf "%s", hide(substr($0, 1, at - 1))
  fflush()
  if (substr($0, at + length(order)) == "end") exit
  print "" > answers
  close(answers)
  next
}
index($0, "::add-mask::") == 1 {
  text = substr($0, 13)
  learn(text)
  print text >> learned
  close(learned)
}
{
  print hide($0)
  fflush()
}'

# The filter where there is no awk.
_f_lines() {
  while IFS= read -r _f_line || [ "$_f_line" ]; do
    case $_f_line in
    *"$_f_order"*)
      _f_hide "${_f_line%%"$_f_order"*}"
      printf %s "$_f_hidden"
      [ "${_f_line##*"$_f_order"}" != end ] || exit
      echo >&4
      continue
      ;;
    ::add-mask::*)
      _f_learn "${_f_line#::add-mask::}"
      printf '%s\n' "${_f_line#::add-mask::}" >>"$_f_home/masks"
      ;;
    esac
    _f_hide "$_f_line"
    printf '%s\n' "$_f_hidden"
  done
}

# TEXT: adds its lines to _f_masks, but for those under 3 bytes. _f_lengths has the lengths, the longest first, and
# _f_mask_N those of N bytes.
_f_learn() {
  local LC_ALL=C IFS="$_f_nl" _f_line _f_size _f_i _f_rest
  for _f_line in $1; do
    while :; do
      case $_f_line in
      [[:space:]]*) _f_line=${_f_line#?} ;;
      *[[:space:]]) _f_line=${_f_line%?} ;;
      *) break ;;
      esac
    done
    _f_size=${#_f_line}
    [ "$_f_size" -gt 2 ] || continue
    eval "_f_mask_$_f_size=\${_f_mask_$_f_size-}\$_f_nl\$_f_line"
    case $_f_lengths in
    *"$_f_nl$_f_size$_f_nl"*) continue ;;
    esac
    _f_rest=$_f_nl
    for _f_i in $_f_lengths; do
      if [ "$_f_size" -gt "$_f_i" ]; then
        _f_rest=$_f_rest$_f_size$_f_nl _f_size=0
      fi
      _f_rest=$_f_rest$_f_i$_f_nl
    done
    [ "$_f_size" = 0 ] || _f_rest=$_f_rest$_f_size$_f_nl
    _f_lengths=$_f_rest
  done
  _f_masks=
  for _f_i in $_f_lengths; do
    eval "_f_masks=\$_f_masks\$_f_mask_$_f_i"
  done
  _f_masks=${_f_masks#"$_f_nl"}
}

# TEXT: sets _f_hidden to the text with *** for what is secret.
_f_hide() {
  local IFS="$_f_nl" _f_i _f_rest
  _f_hidden=$1
  for _f_i in $_f_masks; do
    _f_rest=$_f_hidden _f_hidden=
    while :; do
      case $_f_rest in
      *"$_f_i"*) ;;
      *) break ;;
      esac
      _f_hidden="$_f_hidden${_f_rest%%"$_f_i"*}***"
      _f_rest=${_f_rest#*"$_f_i"}
    done
    _f_hidden=$_f_hidden$_f_rest
  done
}

# TEXT: whether there is a secret in it.
_f_secret() {
  local IFS="$_f_nl" _f_i
  for _f_i in $_f_masks; do
    case $1 in
    *"$_f_i"*) return 0 ;;
    esac
  done
  return 1
}
