#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "output.h"

struct config_setting {
	const char *name;
	char value[1024], origin[OPTION_ORIGIN_MAX];
};

static void config_take(const struct settings *settings, const struct option_row *row, struct config_setting *out)
{
	out->name = row->name;
	option_show(row, settings, out->value, sizeof(out->value));
	option_origin(settings->options, settings->given, row->name, out->origin);
}

static void config_json(const struct config_setting *setting)
{
	printf("{\"setting\":\"%s\",", setting->name);
	output_json_bytes(stdout, "value", (const uint8_t *)setting->value, strlen(setting->value));
	putchar(',');
	output_json_bytes(stdout, "from", (const uint8_t *)setting->origin, strlen(setting->origin));
	puts("}");
}

static void config_line(const struct config_setting *setting)
{
	printf("%-13s = ", setting->name); /* password-file */
	output_line(stdout, setting->value);
	for (int pad = (int)strlen(setting->value); pad < 24; pad++)
		putchar(' ');
	printf("  %s# ", output_color(COLOR_DIM));
	output_line(stdout, setting->origin);
	printf("%s\n", output_color(COLOR_NONE));
}

static void config_files(const struct settings *settings)
{
	for (size_t i = 0; i < settings->paths.count; i++) {
		printf("%s# ", output_color(COLOR_DIM));
		output_line(stdout, settings->paths.at[i].path);
		printf("%s%s\n", settings->paths.at[i].read ? "" : ": no such file", output_color(COLOR_NONE));
	}
}

static enum exit_code config_exec(const struct settings *settings, char **args, size_t count)
{
	const struct option_table *table = settings->options;

	(void)args;
	(void)count;
	for (size_t i = 0; i < table->count; i++) {
		struct config_setting setting;

		if (table->rows[i].env == NULL)
			continue;
		config_take(settings, &table->rows[i], &setting);
		if (settings->json)
			config_json(&setting);
		else
			config_line(&setting);
	}
	if (!settings->json && !settings->quiet)
		config_files(settings);
	return RC_OK;
}

const struct command command_config = {
	.name = "config",
	.arguments = "",
	.others = "settings",
	.summary = "print all settings and where each comes from",
	.details =
		"\n"
		"A setting is what an option says, else the environment, else the user's file "
		"($XDG_CONFIG_HOME/dhtctl\n"
		"or ~/.config/dhtctl), else the system's (/etc/dht/dhtctl.conf), else the default. The files hold "
		"lines\n"
		"NAME = VALUE with the names of the options, as they are printed here; '#' begins a comment, at a\n"
		"line's beginning or behind a blank (in a password write %20 and %23). A name that is not known is an\n"
		"error. $DHT_CONFIG names other files instead, divided by ':', the strongest first; if it is empty\n"
		"none is read. Passwords are masked; no broker is asked. --json gives "
		"{\"setting\",\"value\",\"from\"},\n"
		"one object a line.\n",
	.exec = config_exec,
};
