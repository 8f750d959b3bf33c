/* What each shell needs to know is how to ask `dhtctl __complete` (complete.h): the scripts never grow old. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "output.h"

/* COMP_WORDS is cut at '=' and ':', which stand in options and in keys: put together again, and what bash takes for the
 * word's beginning is taken off the answers. */
static const char completion_bash[] =
	"# bash completion of dhtctl: eval \"$(dhtctl completion bash)\"\n"
	"_dhtctl() {\n"
	"	local words=() word joined line ahead i\n"
	"	joined=''\n"
	"	for ((i = 1; i <= COMP_CWORD; i++)); do\n"
	"		word=${COMP_WORDS[i]}\n"
	"		if [[ ${#words[@]} -gt 0 && ($word =~ ^[=:]+$ || -n $joined) ]]; then\n"
	"			words[${#words[@]} - 1]+=$word\n"
	"		else\n"
	"			words+=(\"$word\")\n"
	"		fi\n"
	"		[[ $word =~ ^[=:]+$ ]] && joined=1 || joined=''\n"
	"	done\n"
	"	word=${words[${#words[@]} - 1]}\n"
	"	line=${COMP_WORDS[COMP_CWORD]}\n"
	"	[[ ! $line =~ ^[=:]+$ ]] || line=''\n"
	"	ahead=${word%\"$line\"}\n"
	"	COMPREPLY=()\n"
	"	while IFS= read -r line; do\n"
	"		if [[ $line == :files ]]; then\n"
	"			compopt -o filenames 2>/dev/null\n"
	"			while IFS= read -r line; do COMPREPLY+=(\"$line\"); done < <(compgen -f -- \"$word\")\n"
	"			return\n"
	"		fi\n"
	"		line=${line%$'\\t'*}\n"
	"		printf -v line %q \"${line#\"$ahead\"}\"\n"
	"		COMPREPLY+=(\"$line\")\n"
	"	done < <(\"${COMP_WORDS[0]}\" __complete \"${words[@]}\" 2>/dev/null)\n"
	"}\n"
	"complete -F _dhtctl dhtctl\n";

static const char completion_zsh[] =
	"#compdef dhtctl\n"
	"# zsh completion of dhtctl: source <(dhtctl completion zsh), or a file _dhtctl in $fpath\n"
	"_dhtctl() {\n"
	"	local line word\n"
	"	local -a lines candidates\n"
	"	lines=(\"${(@f)$(\"${words[1]}\" __complete \"${(@Q)words[2,CURRENT]}\" 2>/dev/null)}\")\n"
	"	if [[ ${lines[1]} == :files ]]; then\n"
	"		_files\n"
	"		return\n"
	"	fi\n"
	"	for line in $lines; do\n"
	"		word=${line%$'\\t'*}\n"
	"		candidates+=(\"${word//:/\\\\:}:${line##*$'\\t'}\")\n"
	"	done\n"
	"	(( ${#candidates} )) && _describe -V dhtctl candidates\n"
	"}\n"
	"if [[ ${funcstack[1]} == _dhtctl ]]; then\n"
	"	_dhtctl \"$@\"\n"
	"elif (( $+functions[compdef] )); then\n"
	"	compdef _dhtctl dhtctl\n"
	"fi\n";

static const char completion_fish[] = "# fish completion of dhtctl: dhtctl completion fish | source\n"
				      "function __dhtctl_complete\n"
				      "	set -l words (commandline -opc)\n"
				      "	set -l current (commandline -ct)\n"
				      "	set -l program $words[1]\n"
				      "	set -e words[1]\n"
				      "	set -l lines ($program __complete $words \"$current\" 2>/dev/null)\n"
				      "	if test \"$lines\" = :files\n"
				      "		__fish_complete_path \"$current\"\n"
				      "	else if set -q lines[1]\n"
				      "		printf '%s\\n' $lines\n"
				      "	end\n"
				      "end\n"
				      "complete -c dhtctl -f -a '(__dhtctl_complete)'\n";

static const struct {
	const char *shell, *script;
} scripts[] = {{"bash", completion_bash}, {"zsh", completion_zsh}, {"fish", completion_fish}};

static const char *completion_script(const char *shell)
{
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		if (strcmp(shell, scripts[i].shell) == 0)
			return scripts[i].script;
	}
	return NULL;
}

static enum exit_code completion_exec(const struct settings *settings, char **args, size_t count)
{
	const char *script = completion_script(args[0]);

	(void)settings;
	(void)count;
	if (script == NULL) {
		output_error("no completion for shell '%.40s': there is bash, zsh and fish", args[0]);
		return RC_USAGE;
	}
	fputs(script, stdout);
	return RC_OK;
}

const struct command command_completion = {
	.name = "completion",
	.arguments = "bash|zsh|fish",
	.min = 1,
	.max = 1,
	.bare = true,
	.others = "completions complete",
	.summary = "print a script that completes for a shell",
	.details = "\n"
		   "For this session:\n"
		   "  bash  eval \"$(dhtctl completion bash)\"\n"
		   "  zsh   source <(dhtctl completion zsh)\n"
		   "  fish  dhtctl completion fish | source\n"
		   "\n"
		   "Where dhtctl is installed, it has put them where the shells look for them. Commands, options and\n"
		   "their values are completed, and keys and nodes of the ring, if it answers within 300 ms.\n",
	.exec = completion_exec,
};
