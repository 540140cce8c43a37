# Completion of wsgisrv(1) in bash. Made by tools/shell-files: do not edit.

_wsgisrv_words() {
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}

_wsgisrv_paths() {
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen "$1" -- "$2")
}

_wsgisrv() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} flags=
    COMPREPLY=()
    # --name=value arrives as three words.
    if [[ $current == = ]]; then
        current=
    elif [[ $previous == = ]]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    if ((COMP_CWORD == 1)); then
        flags+="serve check config demo new routes status reload upgrade stop scale dump "
        flags+="profile logs-reopen log-level top --help --version"
        _wsgisrv_words "$flags" "$current"
        return
    fi
    case $previous in
        --config-file | --paste-config | --tls-certificate | --tls-client-ca | --log-config | \
        --log-file | --control-socket | --pid-file | --chdir | --directory)
            _wsgisrv_paths -f "$current"
            return ;;
        --config-dir | --backdoor)
            _wsgisrv_paths -d "$current"
            return ;;
        --servers | --app | --factory | --bind | --bind-timeout | --backlog | --unix-mode | \
        --unix-owner | --tcp-keepidle | --tcp-keepintvl | --tcp-keepcnt | --tls-ciphers | \
        --proxy-protocol-from | --trusted-proxies | --trusted-proxy-headers | --workers | \
        --worker-timeout | --blocked-warning | --boot-timeout | --graceful-timeout | \
        --shutdown-delay | --max-requests | --max-requests-jitter | --max-worker-lifetime | \
        --max-worker-lifetime-jitter | --max-worker-rss-bytes | --pool-size | --blocking-threads | \
        --blocking-queue | --cpu-workers | --cpu-queue | --cpu-timeout | --access-log | \
        --access-log-format | --admin-bind | --admin-hosts | --statsd | --statsd-prefix | \
        --statsd-interval | --user | --group | --umask | --proc-name | --nofile | \
        --max-target-bytes | --max-header-count | --max-header-bytes | --max-headers-bytes | \
        --max-chunk-line-bytes | --max-trailer-bytes | --max-body-bytes | --max-drain-bytes | \
        --header-timeout | --body-timeout | --min-body-rate | --write-timeout | \
        --keepalive-timeout | --request-timeout | --max-connections | --max-connections-per-client \
        | --paste-var | --option | --database | --timeout | --server | --seconds | --rate | \
        --output)
            :
            return ;;
        --tls-client-verify)
            _wsgisrv_words "required optional" "$current"
            return ;;
        --tls-min-version)
            _wsgisrv_words "1.2 1.3" "$current"
            return ;;
        --hub)
            _wsgisrv_words "auto epolls kqueue poll selects asyncio" "$current"
            return ;;
        --tracing)
            _wsgisrv_words "off otel" "$current"
            return ;;
        --log-level)
            _wsgisrv_words "debug info warning error critical" "$current"
            return ;;
        --header-underscores)
            _wsgisrv_words "drop refuse" "$current"
            return ;;
    esac
    local service=
    service+="--config-file --config-dir --servers --paste-config --app --factory --bind "
    service+="--bind-timeout --backlog --unix-mode --unix-owner --reuse-port --noreuse-port "
    service+="--tcp-keepidle --tcp-keepintvl --tcp-keepcnt --tls-certificate --tls-client-ca "
    service+="--tls-client-verify --tls-min-version --tls-ciphers --proxy-protocol-from "
    service+="--trusted-proxies --trusted-proxy-headers --workers --worker-timeout "
    service+="--blocked-warning --boot-timeout --graceful-timeout --shutdown-delay "
    service+="--max-requests --max-requests-jitter --max-worker-lifetime "
    service+="--max-worker-lifetime-jitter --max-worker-rss-bytes --hub --pool-size "
    service+="--blocking-threads --blocking-queue --cpu-workers --cpu-queue --cpu-timeout "
    service+="--access-log --access-log-format --log-config --tracing --log-file --log-level "
    service+="--control-socket --admin-bind --admin-public --noadmin-public --admin-hosts "
    service+="--statsd --statsd-prefix --statsd-interval --backdoor --daemon --nodaemon "
    service+="--pid-file --user --group --umask --chdir --proc-name --nofile "
    service+="--max-target-bytes --max-header-count --max-header-bytes --max-headers-bytes "
    service+="--header-underscores --max-chunk-line-bytes --max-trailer-bytes --max-body-bytes "
    service+="--max-drain-bytes --header-timeout --body-timeout --min-body-rate "
    service+="--write-timeout --keepalive-timeout --request-timeout --max-connections "
    service+="--max-connections-per-client"
    case ${COMP_WORDS[1]} in
        serve)
            flags+="--paste-var --help"
            flags+=" $service"
            if [[ $current != -* ]]; then
                _wsgisrv_paths -f "$current"
                return
            fi
            ;;
        check)
            flags+="--imports --json --help"
            flags+=" $service"
            if [[ $current != -* ]]; then
                _wsgisrv_paths -f "$current"
                return
            fi
            ;;
        config)
            flags+="--option --given --json --help"
            flags+=" $service"
            if [[ $current != -* ]]; then
                _wsgisrv_paths -f "$current"
                return
            fi
            ;;
        demo)
            flags+="--database --help"
            flags+=" $service"
            ;;
        new)
            flags+="--help --directory"
            ;;
        routes)
            flags+="--json --places --help"
            flags+=" $service"
            if [[ $current != -* ]]; then
                _wsgisrv_paths -f "$current"
                return
            fi
            ;;
        status)
            flags+="--help --control-socket --config-file --config-dir --json --timeout"
            ;;
        reload)
            flags+="--help --control-socket --config-file --config-dir --json --timeout"
            ;;
        upgrade)
            flags+="--help --control-socket --config-file --config-dir --json --timeout"
            ;;
        stop)
            flags+="--help --control-socket --config-file --config-dir --now --json "
            flags+="--timeout"
            ;;
        scale)
            flags+="--help --control-socket --config-file --config-dir --server --json "
            flags+="--timeout"
            ;;
        dump)
            flags+="--help --control-socket --config-file --config-dir --json --timeout"
            ;;
        profile)
            flags+="--help --control-socket --config-file --config-dir --seconds --rate "
            flags+="--output --json --timeout"
            ;;
        logs-reopen)
            flags+="--help --control-socket --config-file --config-dir --json --timeout"
            ;;
        log-level)
            flags+="--help --control-socket --config-file --config-dir --json --timeout"
            if [[ $current != -* ]]; then
                _wsgisrv_words "debug info warning error critical" "$current"
                return
            fi
            ;;
        top)
            flags+="--help --control-socket --config-file --config-dir"
            ;;
    esac
    _wsgisrv_words "$flags" "$current"
}

complete -F _wsgisrv wsgisrv
