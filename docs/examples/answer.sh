#!/bin/sh
# Tells Yinling what the centre has done: signed with openssl, sent with curl. 用 openssl 签名、curl 发送回调。
#
#   answer.sh CALLBACK_URL SECRET_FILE ALERT_ID acknowledged|en_route|on_scene NAME
#   answer.sh CALLBACK_URL SECRET_FILE ALERT_ID resolved NAME real_fall|real_help|false_alarm|recovered|test|other
#
# Run it again with the same ID in the environment until it ends with 0: it is applied once.
set -eu
url=$1 secret=$2 alert=$3 act=$4 name=$5 outcome=${6:-}
id=${ID:-msg_$(openssl rand -hex 12)}
stamp=$(date +%s)
more=''
if [ -n "$outcome" ]; then more=',"outcome":"'$outcome'"'; fi
body='{"type":"alert.'$act'","timestamp":"'$(date -u +%Y-%m-%dT%H:%M:%SZ)'","data":{"alert_id":"'$alert'","by":"'$name'"'$more'}}'
key=$(sed 's/^whsec_//' "$secret" | base64 -d | od -An -v -tx1 | tr -d ' \n')
signature=$(printf '%s' "$id.$stamp.$body" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64)
curl -fsS --retry 3 "$url" -H 'content-type: application/json' -H "webhook-id: $id" -H "webhook-timestamp: $stamp" \
    -H "webhook-signature: v1,$signature" --data-binary "$body"
