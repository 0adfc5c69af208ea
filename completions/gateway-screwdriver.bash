# Completion of gateway-screwdriver for bash 4 and later. Written by `make docs`.
_gateway_screwdriver() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= options= words= each
    if [[ $word == = ]]; then
        word=
    elif [[ $before == = ]]; then # bash takes --option=value for three words
        before=${COMP_WORDS[COMP_CWORD-2]}
    fi
    for each in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        [[ ' list upload download rename delete ' == *" $each "* ]] && command=$each && break
    done
    case $command in
        '') options='-h --help --server --token --timeout --json --version' words='list upload download rename delete' ;;
        list) options='-h --help --server --token --timeout --json -l --long' words='' ;;
        upload) options='-h --help --server --token --timeout --json -r --recursive --skip-existing' words='FILE' ;;
        download) options='-h --help --server --token --timeout --json --force -o --output' words='' ;;
        rename) options='-h --help --server --token --timeout --json' words='' ;;
        delete) options='-h --help --server --token --timeout --json' words='' ;;
    esac
    case $before in
        --server|--token|--timeout) options= words='' ;;
        -o|--output) options= words='FILE' ;;
    esac
    [[ $options && $word == -* ]] && words=$options
    if [[ $words == FILE ]]; then
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    else
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    fi
}
complete -F _gateway_screwdriver gateway-screwdriver screwdriver.py
