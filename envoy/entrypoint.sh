#!/bin/sh
# Starts Envoy where the address of the managed-identity endpoint is known at start only: App Service, Functions and
# Container Apps give it to the process in IDENTITY_ENDPOINT, and may give another one next time.
#
#   entrypoint.sh TEMPLATE RENDERED COMMAND [ARGUMENT...]
#
# writes TEMPLATE to RENDERED with the endpoint's address in the place of @IDENTITY_HOST@, @IDENTITY_PORT@ and
# @IDENTITY_AUTHORITY@ (host and port as in the URL), and becomes COMMAND, such as `envoy -c RENDERED`. It needs no
# program but the shell. docs/outbound.md shows the cluster.
set -eu

fail() {
    printf 'entrypoint.sh: %s\n' "$1" >&2
    exit 1
}

[ $# -ge 3 ] || fail 'usage: entrypoint.sh TEMPLATE RENDERED COMMAND [ARGUMENT...]'
template=$1 rendered=$2
shift 2

# Sets host, port and authority. The value itself is not printed: whoever can choose it must not choose what we log.
read_endpoint() {
    : "${IDENTITY_ENDPOINT:=}"
    [ -n "$IDENTITY_ENDPOINT" ] ||
        fail "IDENTITY_ENDPOINT is not set; assign a managed identity to this app, or take @IDENTITY_...@ out of $template"
    case $IDENTITY_ENDPOINT in
    http://*) authority=${IDENTITY_ENDPOINT#http://} ;;
    *) fail 'IDENTITY_ENDPOINT is not an http:// URL' ;;
    esac
    authority=${authority%%[/?#]*}
    case $authority in
    \[*\]:*) host=${authority#\[} host=${host%%\]*} port=${authority##*\]:} ;;
    \[*\]) host=${authority#\[} host=${host%\]} port=80 ;;
    *:*) host=${authority%:*} port=${authority##*:} ;;
    *) host=$authority port=80 ;;
    esac
    case $host in
    '' | *[!A-Za-z0-9.:_-]*) fail 'IDENTITY_ENDPOINT has no host that can be an address' ;;
    esac
    case $port in
    '' | 0* | *[!0-9]* | ??????*) fail 'IDENTITY_ENDPOINT has no port that is a number' ;;
    esac
    [ "$port" -ge 1 ] && [ "$port" -le 65535 ] || fail 'IDENTITY_ENDPOINT has a port that is not from 1 to 65535'
}

# Prints $1 with every $2 replaced by $3.
replace() {
    rest=$1 done=
    while :; do
        case $rest in
        *"$2"*) done=$done${rest%%"$2"*}$3 rest=${rest#*"$2"} ;;
        *) break ;;
        esac
    done
    printf '%s' "$done$rest"
}

[ -r "$template" ] || fail "$template cannot be read"
host=
# What is written may be used to reach the identity: for this user alone.
umask 077
while IFS= read -r line || [ -n "$line" ]; do
    case $line in
    *@IDENTITY_*@*)
        [ -n "$host" ] || read_endpoint
        line=$(replace "$line" @IDENTITY_HOST@ "$host")
        line=$(replace "$line" @IDENTITY_PORT@ "$port")
        line=$(replace "$line" @IDENTITY_AUTHORITY@ "$authority")
        ;;
    esac
    printf '%s\n' "$line"
done <"$template" >"$rendered" || fail "$rendered cannot be written"

exec "$@"
