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
		"dht-node keeps records in memory. Nodes at one broker form a ring and share the records among\n"
		"themselves; a node needs no address, no open port, and no file. It finds the ring of its broker and\n"
		"joins it, or founds one if there is none; dhtctl(1) puts, gets and shows.\n"
		"\n"
		"It runs until SIGTERM or SIGINT, then hands its records on and leaves; a second signal ends it at\n"
		"once, and what no other node has a copy of is lost. Its log goes to standard error. To systemd it\n"
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

static void manual_rest(void)
{
	roff_section(stdout, "FILES");
	roff_text(stdout, "dht-node reads none. The unit dht-node@.service, whose instance is the node's name, takes\n"
			  "variables as above from these, lines such as DHT_BROKER=mqtt://broker.example:\n");
	roff_term(stdout, "/etc/dht-node/dht-node.conf", "for all nodes of the machine");
	roff_term(stdout, "/etc/dht-node/INSTANCE.conf", "for this one; it wins");
	roff_section(stdout, "EXAMPLES");
	roff_example(stdout, "is a node at the machine's own broker.", "dht-node");
	roff_example(stdout, "is one at another, whose place in the ring comes from its name.",
		     "dht-node --broker mqtt://broker.example --name kitchen");
	roff_example(stdout, "is the same as a service.", "systemctl enable --now dht-node@kitchen");
	roff_section(stdout, "SEE ALSO");
	puts(".BR dhtctl (1),\n.BR mosquitto (8),\n.BR systemd.unit (5)");
}

int main(void)
{
	manual_head();
	manual_tables();
	manual_rest();
	return fflush(stdout) != 0;
}
