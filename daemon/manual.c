/* Prints dht-node(8), from the table that dht-node itself reads.  Runs at build time. */
#include <stdio.h>

#include "../common/roff.h"
#include "configure.h"
#include "directory.h"

static void manual_head(void)
{
	roff_page(stdout, "dht-node", 8, "System Administration");
	roff_section(stdout, "NAME");
	puts("dht\\-node \\- one node of a key\\-value ring whose only network is an MQTT broker");
	roff_section(stdout, "SYNOPSIS");
	puts(".B dht\\-node\n.RI [ OPTIONS ]");
	roff_section(stdout, "DESCRIPTION");
	roff_text(
		stdout,
		"dht-node keeps records in memory, and as a service or with --data-dir on a disk, too. Nodes at one "
		"broker form a ring\n"
		"and share the records among themselves; a node needs no address, no open port, and no file. It finds\n"
		"the ring of its broker and joins it, or founds one if there is none; dhtctl(1) puts, gets and shows.\n"
		"\n"
		"It runs until SIGTERM or SIGINT, then hands its records on and leaves; a second signal ends it at\n"
		"once, and what no other node has a copy of, nor a directory, is lost. Its log goes to standard error, "
		"or with fields\n"
		"to the journal: see dht-node.catalog(7). To systemd it tells its state, and is ready when it is "
		"active "
		"in\n"
		"a ring; its unit is dht-node@.service, and dht-node.target starts and stops all nodes of a "
		"machine.\n"
		"\n"
		"It runs under SCHED_BATCH (sched(7)), so that it interrupts nobody, unless it was started under\n"
		"another policy than the usual one.\n");
}

static void manual_tables(void)
{
	char code[12];

	roff_section(stdout, "OPTIONS");
	roff_options(stdout, &node_options);
	roff_section(stdout, "EXIT STATUS");
	for (size_t i = 0; i < node_exit_count; i++) {
		snprintf(code, sizeof(code), "%d", node_exits[i].code);
		roff_term(stdout, code, node_exits[i].meaning);
	}
	roff_section(stdout, "ENVIRONMENT");
	roff_text(stdout, "An option is stronger than its variable, and the variable than a file.");
	roff_variables(stdout, &node_options);
	roff_term(stdout, CONFIGURE_VARIABLE,
		  "files to read instead of those below, divided by ':', the strongest first; empty: none");
	roff_term(stdout, DIRECTORY_VARIABLE,
		  "systemd's, of the unit's StateDirectory=: the data directory, unless something is set");
	roff_term(stdout, "RUNTIME_DIRECTORY",
		  "systemd's; starts that come to nothing are counted there, and make the next one wait");
	roff_term(stdout, "CREDENTIALS_DIRECTORY", "where systemd puts the credential " PASSWORD_CREDENTIAL);
}

static void manual_directory(void)
{
	roff_section(stdout, "DATA DIRECTORY");
	roff_text(
		stdout,
		"A node with a data directory answers nothing before it is written, and goes on with what the "
		"directory\n"
		"holds when it is started again. A setting data-dir says where it is. Without one a service has the "
		"state\n"
		"directory that systemd makes for its unit, " DIRECTORY_STATE "/INSTANCE (where the unit has several, "
		"or\n"
		"none, data-dir has to say which); what is started otherwise keeps everything in memory alone, and so "
		"does a\n"
		"service with 'data-dir = none'. An empty value is refused.\n"
		"\n"
		"The directory is one node's: without --id and --name those of the "
		"directory\n"
		"are taken, and others are refused, as is another --topic-prefix. It is made if it is missing, its "
		"parent\n"
		"is not, and it must not lie on a network filesystem. One process at a time has it.\n"
		"\n"
		"By --durability fsync what was acknowledged survives a power cut, as far as the disk keeps what it "
		"said\n"
		"it had; by os the end of the process, kill -9 too, and not of the machine; by none only an end in "
		"good\n"
		"order. A directory that may have lost something by that is refused. Move away what is in a "
		"directory that\n"
		"is refused as damaged, and the node begins empty, with what others have copies of.\n"
		"\n"
		"Who is away may have in its directory what nobody else has. So a node with a directory waits for "
		"it, and\n"
		"leaves what it would have answered for unanswered, for ever; unless --recover-after says how long, or "
		"an\n"
		"operator gives it up: dhtctl ring shows first what waits for whom, and dhtctl recover what would be "
		"given\n"
		"up. What comes back after all is merged by its version.\n"
		"\n"
		"A full disk is a line of the log. Whoever then writes to what the node owns or keeps is told so; what "
		"is\n"
		"there is read, deleted and handed over, by 32 MiB that were kept for that (when they are used up, "
		"nothing\n"
		"behind a change is answered until there is room). It goes on by itself when there is room. If a write "
		"to the\n"
		"disk fails for good the process ends with exit code 74, and nothing that it did not write has been "
		"acknowledged.\n");
}

static void manual_rest(void)
{
	roff_section(stdout, "FILES");
	roff_term(stdout, CONFIGURE_FILE, "settings for all nodes of the machine");
	roff_term(stdout, CONFIGURE_FOLDER "/INSTANCE.conf", "for the node of that --instance; it wins");
	roff_term(stdout, DIRECTORY_STATE "/INSTANCE", "the data directory of a service");
	fputs(".PP\n", stdout);
	roff_text(stdout,
		  "dht-node.conf(5) tells what can stand in them. 'dht-node --check-config' prints all settings and\n"
		  "where each comes from, and ends with 0, or with the error and its exit status.\n");
	roff_section(stdout, "PASSWORDS");
	roff_text(
		stdout,
		"The URL names the user. Of the places for his password the first that there is counts: the URL\n"
		"itself, the file that password-file names, and the credential dht-node.password, which the unit asks\n"
		"for: /etc/credstore/dht-node.password, see LoadCredential= in systemd.exec(5). The file holds one\n"
		"line. It is refused if it is not root's or the node's own, if all users can read it, or if the group\n"
		"or all can write it: chmod 600, or 640 with the node's group. On a command line a password is\n"
		"overwritten as soon as the node runs, and in what it prints and logs is '***'.\n");
	roff_section(stdout, "SIGNALS");
	roff_term(stdout, "SIGTERM, SIGINT", "leave the ring in good order, and end; the second one ends it at once");
	roff_term(stdout, "SIGHUP",
		  "read the files of settings anew: the log's level and max-memory count at once, others wait for a "
		  "restart");
	roff_section(stdout, "EXAMPLES");
	roff_example(stdout, "is a node at the machine's own broker.", "dht-node");
	roff_example(stdout, "is one at another, whose place in the ring comes from its name.",
		     "dht-node --broker mqtt://broker.example --name kitchen");
	roff_example(stdout, "keeps what it has in a directory.",
		     "dht-node --name kitchen --data-dir /var/lib/dht-node/kitchen");
	roff_example(stdout, "is the same as a service, whose directory that is anyway.",
		     "systemctl enable --now dht-node@kitchen");
	roff_section(stdout, "SEE ALSO");
	puts(".BR dhtctl (1),\n.BR dht\\-node.conf (5),\n.BR dht\\-node.catalog (7),\n.BR mosquitto (8),\n.BR "
	     "systemd.exec (5),\n.BR "
	     "systemd.unit (5)");
}

int main(void)
{
	manual_head();
	manual_tables();
	manual_directory();
	manual_rest();
	return fflush(stdout) != 0;
}
