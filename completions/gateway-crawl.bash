# Completion of gateway-crawl for bash 4 and later. Written by `make docs`.
_gateway_crawl() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= options= words= each
    if [[ $word == = ]]; then
        word=
    elif [[ $before == = ]]; then # bash takes --option=value for three words
        before=${COMP_WORDS[COMP_CWORD-2]}
    fi
    for each in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        [[ '  ' == *" $each "* ]] && command=$each && break
    done
    case $command in
        '') options='-h --help -f --file --sitemap -L --location -H --header --max-age --retries --fail --accept --only --baseline --format --json --server --token --timeout --version' words='' ;;
    esac
    case $before in
        -f|--file|--baseline) options= words='FILE' ;;
        --sitemap|-H|--header|--max-age|--retries|--accept|--server|--token|--timeout) options= words='' ;;
        --only) options= words='bad' ;;
        --format) options= words='tsv json csv markdown junit' ;;
    esac
    [[ $options && $word == -* ]] && words=$options
    if [[ $words == FILE ]]; then
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    else
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    fi
}
complete -F _gateway_crawl gateway-crawl crawl.py
