# shellcheck shell=sh
# shellcheck disable=SC3043,SC2154 # as in driver.sh, of which this is a part
#
# What steps write to their files, and what of it is reported.

# What the step left in its files. LC_ALL: sizes are bytes, and classes are ASCII.
_f_collect() {
  local LC_ALL=C
  [ -z "$_f_filter" ] || _f_sync
  _f_read OUTPUT _f_output
  _f_read ENV _f_env
  [ -f "$_f_file-PATH" ] || return 0
  while IFS= read -r _f_line || [ "$_f_line" ]; do
    [ -z "$_f_line" ] || _f_path=$_f_line:$_f_path
  done <"$_f_file-PATH"
}

# KIND FUNCTION: calls the function for each record of the file, with _f_name and _f_value set. `read` drops what
# no variable can hold, so that the sizes then differ; such a file counts as empty.
_f_read() {
  [ -f "$_f_file-$1" ] && [ -s "$_f_file-$1" ] || return 0
  _f_size=$({ wc -c <"$_f_file-$1"; } 2>/dev/null)
  _f_old=$_f_outputs _f_old_large=$_f_large _f_old_size=$_f_spilled _f_old_sets=$_f_sets
  _f_at=0 _f_bytes=0
  _f_records "$1" "$2" || return 0
  [ "$_f_bytes" -lt "${_f_size:-0}" ] || return 0
  _f_outputs=$_f_old _f_large=$_f_old_large _f_spilled=$_f_old_size _f_sets=$_f_old_sets
  _f_fail "FAIRLEAD_$1 has a NUL byte, which no variable can hold; encode such values, for instance with base64"
}

_f_records() {
  while _f_next; do
    _f_name=${_f_line%%=*}
    case $_f_name in
    '')
      [ "$_f_line" ] || continue
      ;;
    *'<<'*)
      _f_name=${_f_line%%'<<'*} _f_end=${_f_line#*'<<'}
      [ "$_f_end" ] || _f_name=
      [ -z "$_f_name" ] || _f_block "$1" || return
      ;;
    "$_f_line") _f_name= ;;
    *) _f_value=${_f_line#*=} ;;
    esac
    if [ -z "$_f_name" ]; then
      _f_fail "FAIRLEAD_$1, line $_f_at: neither NAME=value nor NAME<<DELIMITER"
      return 1
    fi
    "$2" "$1" || return
  done <"$_f_file-$1"
}

# Sets _f_line to the next one, and counts.
_f_next() {
  if IFS= read -r _f_line; then
    _f_bytes=$((_f_bytes + 1))
  elif [ -z "$_f_line" ]; then
    return 1
  fi
  _f_at=$((_f_at + 1)) _f_bytes=$((_f_bytes + ${#_f_line}))
}

# KIND: reads a value up to its delimiter. Gathers it in pieces first, or else long ones take quadratic time.
_f_block() {
  _f_value='' _f_piece='' _f_break='' _f_from=$_f_at
  while _f_next; do
    case $_f_line in
    "$_f_end")
      _f_value=$_f_value$_f_piece
      return 0
      ;;
    esac
    _f_piece=$_f_piece$_f_break$_f_line _f_break=$_f_nl
    if [ "${#_f_piece}" -gt 2000 ]; then
      _f_value=$_f_value$_f_piece _f_piece=
    fi
  done
  _f_fail "FAIRLEAD_$1, line $_f_from: its delimiter does not come again"
  return 1
}

# Takes an output, if it is wanted. Of two with the same name the last one counts.
_f_output() {
  case $_f_nl$_f_wanted$_f_nl in
  "$_f_nl*$_f_nl" | *"$_f_nl$_f_name$_f_nl"*) ;;
  *) return 0 ;;
  esac
  _f_escape "$_f_name"
  _f_key="${_f_nl}o $_f_id $_f_escaped="
  _f_without "$_f_outputs"
  _f_outputs=$_f_rest
  _f_without "$_f_large"
  _f_large=$_f_rest _f_spilled=$((_f_spilled - ${_f_gone% *}))
  if [ "$_f_masks" ] && _f_secret "$_f_name$_f_nl$_f_value"; then
    printf '::warning::step "%s": the output "%s" may hold a secret, so it is left out\n' "$_f_label" "$_f_name"
    return 0
  fi
  if ! _f_utf8 "$_f_name$_f_nl$_f_value"; then
    _f_fail "the output \"$_f_name\" is not UTF-8 text; encode it, for instance with base64"
    return 1
  fi
  # 130: the first and the last lines, and the steps' codes that are still to come.
  _f_free=$((_f_room - 130 - ${#_f_codes} - ${#_f_outputs} - ${#_f_key}))
  _f_escaped=$_f_value
  [ "${#_f_value}" -gt "$_f_free" ] || _f_escape "$_f_value"
  if [ "${#_f_escaped}" -gt "$_f_free" ]; then
    _f_spill
  else
    _f_outputs=$_f_outputs$_f_key$_f_escaped
  fi
}

# Keeps an output for the log's end, because the report has no room for it.
_f_spill() {
  if ! { command -v base64 && command -v sha256sum && command -v wc && command -v cat; } >/dev/null; then
    _f_fail "the output \"$_f_name\" takes ${#_f_escaped} bytes, and $_f_free of $_f_room are left for this job's outputs"
    return 1
  fi
  _f_free=$((262144 - _f_spilled))
  if [ "${#_f_value}" -gt "$_f_free" ]; then
    _f_fail "the output \"$_f_name\" takes ${#_f_value} bytes, and $_f_free of 262144 are left for this job's outputs"
    return 1
  fi
  _f_spilled=$((_f_spilled + ${#_f_value})) _f_files=$((_f_files + 1))
  printf '%s%s\n%s\n' "${_f_key#"$_f_nl"}" "${#_f_value}" "$_f_value" >"$_f_home/output-$_f_files"
  _f_large="$_f_large$_f_key${#_f_value} $_f_files"
}

# LIST: sets _f_rest to the list without the line that begins with _f_key, and _f_gone to the rest of that line.
_f_without() {
  _f_rest=$1 _f_gone='0 0'
  case $1 in
  *"$_f_key"*)
    _f_rest=${1#*"$_f_key"}
    _f_gone=${_f_rest%%"$_f_nl"*}
    case $_f_rest in
    *"$_f_nl"*) _f_rest=$_f_nl${_f_rest#*"$_f_nl"} ;;
    *) _f_rest= ;;
    esac
    _f_rest=${1%%"$_f_key"*}$_f_rest
    ;;
  esac
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

# TEXT: whether it is UTF-8, in LC_ALL=C. What is, becomes ASCII; a byte that is left over is none. Without sed
# everything passes.
_f_utf8() {
  case $1 in
  *[!"$_f_nl"\ -~]*) ;;
  *) return 0 ;;
  esac
  [ -z "$(printf '%s\n' "$1" | LC_ALL=C sed -n "$(printf 's/%b/_/g;' '[\0302-\0337][\0200-\0277]' \
    '\0340[\0240-\0277][\0200-\0277]' '[\0341-\0354\0356\0357][\0200-\0277][\0200-\0277]' \
    '\0355[\0200-\0237][\0200-\0277]' '\0360[\0220-\0277][\0200-\0277][\0200-\0277]' \
    '[\0361-\0363][\0200-\0277][\0200-\0277][\0200-\0277]' \
    '\0364[\0200-\0217][\0200-\0277][\0200-\0277]')$(printf '/[\200-\377]/p')")" ] 2>/dev/null
}

# Writes the outputs that are kept for the log to its end, and sets _f_log to the report's line about them. Nobody
# may write in between, so everything else ends first.
_f_frame() {
  _f_clear
  _f_rest=$_f_large
  set --
  while [ "$_f_rest" ]; do
    _f_rest=${_f_rest#"$_f_nl"}
    _f_head=${_f_rest%%"$_f_nl"*}
    set -- "$@" "$_f_home/output-${_f_head##* }"
    _f_rest=${_f_rest#"$_f_head"}
  done
  _f_name=$_f_home/outputs
  cat "$@" >"$_f_name"
  _f_size=$(($(wc -c <"$_f_name"))) _f_sum=$(sha256sum <"$_f_name")
  _f_sum=${_f_sum%% *}
  # Not every busybox knows -w.
  base64 -w 4000 "$_f_name" >"$_f_name.base64" 2>/dev/null || base64 "$_f_name" >"$_f_name.base64"
  printf '::group::Outputs: %s bytes, %s\n' "$_f_size" "$_f_sum"
  cat "$_f_name.base64"
  printf '::endgroup::\n'
  _f_log="log $(($(wc -l <"$_f_name.base64") + 2)) $_f_size $_f_sum$_f_nl"
} 2>/dev/null
