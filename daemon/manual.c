/* Prints dht-node(8), from the table that dht-node itself reads.  Runs at build time. */
#include <stdio.h>

#include "../common/roff.h"
#include "options.h"

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
		"dht-node keeps records in memory, and with --data-dir on a disk, too. Nodes at one broker form a "
		"ring\n"
		"and share the records among themselves; a node needs no address, no open port, and no file. It finds\n"
		"the ring of its broker and joins it, or founds one if there is none; dhtctl(1) puts, gets and shows.\n"
		"\n"
		"It runs until SIGTERM or SIGINT, then hands its records on and leaves; a second signal ends it at\n"
		"once, and what no other node has a copy of, nor a directory, is lost. Its log goes to standard error. "
		"To systemd it\n"
		"tells its state, and is ready when it is active in a ring.\n"
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
	roff_text(stdout, "An option is stronger than its variable.");
	roff_variables(stdout, &node_options);
}

static void manual_directory(void)
{
	roff_section(stdout, "DATA DIRECTORY");
	roff_text(
		stdout,
		"With --data-dir nothing is answered before it is written, and a node that is started again goes on "
		"with\n"
		"what its directory holds. The directory is one node's: without --id and --name those of the "
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
		"leaves what it would have answered for unanswered, for ever; unless --recover-after says how long. "
		"SIGUSR1\n"
		"is an operator's word that what nobody answers for is given up, once --recover-after (10 s by "
		"default) has\n"
		"passed from then on: send it to all nodes when one's log says that it asks everybody. What comes back "
		"after\n"
		"all is merged by its version. The word counts until the process ends.\n"
		"\n"
		"A full disk is a line of the log. What is written goes into 32 MiB that were kept for that; when "
		"they are\n"
		"used up, nothing behind a write is answered until there is room. If a write to the disk fails for "
		"good\n"
		"the process ends with exit code 74, and nothing that it did not write has been acknowledged.\n");
}

static void manual_rest(void)
{
	roff_section(stdout, "FILES");
	roff_text(stdout, "dht-node reads none but in its data directory. The unit dht-node@.service, whose instance "
			  "is the node's name, takes\n"
			  "variables as above from these, lines such as DHT_BROKER=mqtt://broker.example:\n");
	roff_term(stdout, "/etc/dht-node/dht-node.conf", "for all nodes of the machine");
	roff_term(stdout, "/etc/dht-node/INSTANCE.conf", "for this one; it wins");
	roff_section(stdout, "EXAMPLES");
	roff_example(stdout, "is a node at the machine's own broker.", "dht-node");
	roff_example(stdout, "is one at another, whose place in the ring comes from its name.",
		     "dht-node --broker mqtt://broker.example --name kitchen");
	roff_example(stdout, "keeps what it has in a directory.",
		     "dht-node --name kitchen --data-dir /var/lib/dht-node/kitchen");
	roff_example(stdout, "is the same as a service.", "systemctl enable --now dht-node@kitchen");
	roff_section(stdout, "SEE ALSO");
	puts(".BR dhtctl (1),\n.BR mosquitto (8),\n.BR systemd.unit (5)");
}

int main(void)
{
	manual_head();
	manual_tables();
	manual_directory();
	manual_rest();
	return fflush(stdout) != 0;
}
