#include "note.h"

#include <string.h>

const struct note_row note_rows[NOTE_COUNT] = {
	[NOTE_STARTED] = {"started", "2c29fa0874b34ae191be76573aa61ea8", 6,
			  "The process has begun, with these settings.",
			  "Nothing. 'dht-node --check-config --instance INSTANCE' prints all of its settings and where "
			  "each comes from."},
	[NOTE_STATE] = {"state", "07dcc03366464679be9fdc7bbc4070e2", 6,
			"The node's state has changed. connecting: there is no broker yet. joining: it looks for the "
			"ring of its broker, or is being admitted. active: it owns an arc of the ring and answers for "
			"it. leaving, left: it hands its records on and goes.",
			"Nothing. To systemd the node is ready when it is active for the first time."},
	[NOTE_SUSPECT] = {"suspect", "6358f19f30294adf983e4e41b06c4085", 4,
			  "The node owns an arc and cannot show, at this moment, that nobody else has taken it: its "
			  "connection is gone, or a neighbour does not answer. It serves nothing of the arc until it "
			  "has found out.",
			  "Nothing, if it is active again within seconds. Otherwise look at what it said just before, "
			  "and at 'dhtctl status': a broker that is away, or a neighbour that hangs."},
	[NOTE_PROPOSING] =
		{"proposing", "0ffb0b0a9e1648bd8052bc53458afac5", 6,
		 "No ring has answered, so the node proposes, on a topic that is kept by the broker, to found "
		 "one.",
		 "Nothing, if this is the first node. If there should be a ring: is it at the same broker, "
		 "below the same topic-prefix?"},
	[NOTE_PROPOSING_AGAIN] = {"proposing-again", "2038dc5697fd4e61a7d20e29b21b2c4e", 7,
				  "The same proposal once more, as nobody has heard it.", "Nothing."},
	[NOTE_FOUNDED] = {"founded", "2222a5c27bcd47c2a03f27fea0302225", 6,
			  "The node is the first of a new ring and owns all of it.",
			  "Nothing, if this is the first node. If it should have joined others, they are at another "
			  "broker or below another topic-prefix."},
	[NOTE_LEAVING] = {"leaving", "46ab2604fe1147dcb2db76069c8621bd", 6,
			  "The node has been asked to leave, by a signal or by 'dhtctl leave'. It hands its records to "
			  "its successor first, and answers until it has them.",
			  "Nothing. It takes as long as its records take; systemd gives it more time while it makes "
			  "progress."},
	[NOTE_LEFT] = {"left", "e73f21cea36548ad8bd05931d5eff3d8", 6,
		       "The node has left in good order; its records are with the others.", "Nothing."},
	[NOTE_LAST_LEFT] =
		{"last-left", "d447c50e93ce4b66a88da8551c1151a8", 4,
		 "The last node of the ring has left, and there was nobody to hand its records to. It had them "
		 "in memory alone.",
		 "If the records are needed, let the nodes keep them on disks (as services they do, without "
		 "'data-dir = none'), keep one node running, or 'dhtctl export' them before the last one "
		 "stops."},
	[NOTE_RECORDS_LOST] =
		{"records-lost", "8398c313fb30454aac95777a804353b4", 4,
		 "The node ends with records that belong to others and that nobody takes.",
		 "If this happens with other nodes running, look at what they said: they refuse this node, or "
		 "do not reach the broker."},
	[NOTE_REFUSED] =
		{"refused", "ef59810d712d4bfd89f53a888643478f", 3,
		 "Another node has this one's id or name, or speaks a later version of the protocol. This node "
		 "does not join, and ends with exit status 77; the other is not disturbed.",
		 "Give one of them another name or id in its file of /etc/dht-node, or upgrade this one. Node "
		 "@DHT_PEER@ is the other."},
	[NOTE_REJOIN] = {"rejoin", "b13f6ba1a4be4d48a95b59258badba99", 4,
			 "The node owns no arc any more, or holds records that nobody has taken, and joins once more.",
			 "Nothing, if it is active again soon."},
	[NOTE_OUSTED] = {"ousted", "903614cbdcc244b89b4078c78b052bfe", 4,
			 "The others have gone on without this node (it hung, or was away for too long), and own what "
			 "it owned. It joins again, and what it has that is newer is merged.",
			 "Nothing, if it happens once. If it happens again and again, the machine is too busy or its "
			 "network too bad for the times that 'silence' and 'grace' give."},

	[NOTE_RETURNED] = {"returned", "230bd2fb5aa675e0cd96dcbc2dd91cb8", 6,
			   "The node was started with a data directory that it has been at work with, and has what "
			   "that holds. It serves its arcs again as soon as its neighbours have confirmed them.",
			   "Nothing."},
	[NOTE_LAST_KEPT] =
		{"last-kept", "a28b3fa35b228269b97ea78a9ea16ba4", 6,
		 "The last node of the ring has ended. Its records, and the ring, stay in its data directory.",
		 "Nothing. Started again, it goes on with them."},
	[NOTE_LEFT_ALONE] =
		{"left-alone", "44116a381ef14e3bb6d009db1b1bdb70", 4,
		 "The node was asked to end while there was no broker, so it could not hand on what it has. It has "
		 "ended as in a power cut: everything is in its data directory, and the others go on with their "
		 "copies, or wait for it.",
		 "Start it again when there is a broker; then, if it is to go for good, stop it."},
	[NOTE_NODE_LOST] =
		{"node-lost", "b3278af0e3ba4e7980da08dc4f9f2283", 4,
		 "The broker has ended the connection of node @DHT_PEER@: it died, hangs, or its network did. "
		 "It may come back with its records before its arc is taken over.",
		 "Nothing. If it does not come back, look at its machine and its journal: journalctl "
		 "DHT_ID=@DHT_PEER@."},
	[NOTE_FENCING] = {"fencing", "6de525cfee104d188603a2e26c4450b5", 4,
			  "Node @DHT_PEER@ is silent. Before anybody takes over, its session at the broker is closed, "
			  "so that it cannot answer any more if it was only slow.",
			  "Nothing. Look at that node: journalctl DHT_ID=@DHT_PEER@ where it runs."},
	[NOTE_CHANGE_WITHOUT] =
		{"change-without", "24ffc013b8214b368480676fb2142ec5", 4,
		 "A change of who owns what had begun, and a node that took part in it is out. The change goes "
		 "on without it.",
		 "Nothing. Look at node @DHT_PEER@."},
	[NOTE_UNGUARDED] =
		{"unguarded", "118fa904234a4b58b8ddfc8a7f7e6779", 4,
		 "A node is out amid a change of an arc that this one guards, and it cannot tell what came of "
		 "it. Whoever knows is asked.",
		 "Nothing."},
	[NOTE_LEFT_OUT] =
		{"left-out", "b3dd604e3bb1451bbcf7d37f548a3613", 4,
		 "Node @DHT_PEER@ does not hold what it is named in: it was started anew, or has given up. It "
		 "is left out, and a new backup is found.",
		 "Nothing, unless it happens again and again: then look at that node."},
	[NOTE_RING_SILENT] =
		{"ring-silent", "25ae18e7b1db44278f41db7086a78ad6", 4,
		 "The broker keeps statuses of nodes, but none of them answers. Each is fenced, so that the "
		 "arcs of those that are gone can be taken.",
		 "Nothing, if all nodes have died. If they run: do they reach the broker, and may they read "
		 "and write the ring's topics?"},
	[NOTE_RING_WAITED] = {"ring-waited", "706d8aaed4728015c6dc39e1bfa9ff5a", 4,
			      "The broker keeps statuses of nodes, and none of them answers. They may have on their "
			      "disks what nobody else has, so no second ring is founded: they are waited for.",
			      "Start the nodes that are named in 'dhtctl status'. Those that never come back are given "
			      "up by 'dhtctl recover', or with recover-after."},
	[NOTE_ACCEPTED] =
		{"accepted", "556d007b11f81e8d211ef7ecaa78dd2f", 4,
		 "An operator has given up what nobody else has of the arc ('dhtctl recover'). Who is silent is waited "
		 "for only as long as recover-after says; then the arc is served with what there is.",
		 "Nothing. What comes back after all is merged by its version."},
	[NOTE_VERSION_LATER] =
		{"version-later", "79677d7b9c7c4fc3aef0ede0b5ee2b3b", 3,
		 "There are nodes, or statuses of nodes, of a later version of the protocol than this node "
		 "speaks.",
		 "Upgrade this node. If those nodes are gone for good, clear what the broker retains of them; "
		 "or give this ring another topic-prefix."},
	[NOTE_VERSION_EARLIER] =
		{"version-earlier", "61f7e8a154bb434e940d4ecbd621f858", 3,
		 "Node @DHT_PEER@ speaks an earlier version of the protocol, and cannot be given what this "
		 "node has.",
		 "Upgrade that node."},
	[NOTE_PEER_WRONG] = {"peer-wrong", "da2592e0ad5a4e60a372b74f71eed688", 4,
			     "What another node sent cannot be right. It is not taken.",
			     "If it happens again: are all nodes of the same version? If they are, it is a bug; please "
			     "report this entry."},

	[NOTE_VIEW] = {"view", "184ae8876e1f4d338a532e9a16343a3c", 6,
		       "Who owns the arc, and which node has its copy, is agreed on. From here on the copy counts: "
		       "nothing of the arc is lost if one of the two dies. Where both are the same node, there is no "
		       "copy yet, or no other node.",
		       "Nothing."},
	[NOTE_OFFERED] = {"offered", "3c8c88547add42b5ab656744bd592497", 6,
			  "A node is to take a part of this one's arc: it joins, or this one leaves. Its records are "
			  "sent; this node answers for them until it has them all.",
			  "Nothing."},
	[NOTE_OWNER] = {"owner", "8686cc5473454066b9ee224df68caccf", 6,
			"The arc has changed hands: node @DHT_PEER@ answers for it from here on.", "Nothing."},
	[NOTE_HANDED_OVER] = {"handed-over", "c48ed37748ac4dcf9fdb31c26e297022", 6,
			      "Node @DHT_PEER@ has all records of the arc.", "Nothing."},
	[NOTE_RECEIVED] = {"received", "dd491c52f66d4dfc982a6adb4a78251c", 6,
			   "This node has all records of an arc from node @DHT_PEER@, and answers for it.", "Nothing."},
	[NOTE_CALLED_OFF] =
		{"called-off", "c141821784dd4904853dc435bd12d555", 4,
		 "A handover has been given up. The arc stays where it was, nothing is lost, and it is tried "
		 "again.",
		 "Nothing, if the next one comes to its end. If none does: a broker that drops what is queued "
		 "(max_queued_messages), or a line that is too slow."},
	[NOTE_TAKEN_OVER] = {"taken-over", "3828c33fea1b4b09a78025a9788c3f98", 4,
			     "Node @DHT_PEER@ is dead. Its arc is served with the copy that was here; nothing of it is "
			     "lost.",
			     "Start the node again, or leave it be: a new copy is made by itself. Another death before "
			     "that may lose records."},
	[NOTE_TAKEN_BACK] = {"taken-back", "11bbc03808d643239911cb302f1e06ca", 4,
			     "A node died while it was being given an arc. The arc is back, with all its records.",
			     "Nothing."},
	[NOTE_TAKEN_EMPTY] =
		{"taken-empty", "61fa2515ff3d4d88b85dbcb1d31a0d7a", 4,
		 "Node @DHT_PEER@ is dead, and there was no copy of its records: they are lost. Its arc is "
		 "served from here on, and its keys are absent.",
		 "Store what was lost again ('dhtctl import'). There is no copy with replicas = 1, when two "
		 "neighbours die at once, or just after a change."},
	[NOTE_HOLE_TAKEN] =
		{"hole-taken", "da1039a1ddd347c4ad026ffa2c6686b1", 4,
		 "Nobody answered for the arc for as long as recover-after says. It is served with what this "
		 "node has of it.",
		 "Nothing, if the nodes that had it are gone. What was written there last may be missing."},
	[NOTE_HOLE_EMPTY] =
		{"hole-empty", "1fe0f518071044368b03c93be9291c58", 4,
		 "Nobody answered for the arc for as long as recover-after says, and nobody has a copy: its "
		 "records are lost, and its keys are absent.",
		 "Store what was lost again ('dhtctl import'). It takes several nodes that die at once, or one "
		 "before it had a backup."},
	[NOTE_GUARD_ENDS] = {"guard-ends", "468d4b244ab54f539b1d0313d478e9b4", 6,
			     "This node was the backup of an arc, and is not any more.", "Nothing."},
	[NOTE_ARC_DOUBT] =
		{"arc-doubt", "268028d70c4f45b1b19bbfcc7f442827", 4,
		 "A neighbour does not say whether what is written of an arc still holds. Everybody is asked; "
		 "who knows better is believed.",
		 "Nothing. If the entry comes again and again, look at the node that it names."},
	[NOTE_DOUBT] = {"doubt", "f332c6b0cb964bc1b7bd6fb96d77fe95", 4,
			"A change was begun before the connection was lost, and who took part in it is silent. "
			"Everybody is asked what came of it.",
			"Nothing."},
	[NOTE_CONTESTED] =
		{"contested", "6f5e224ca9fc4ad79547902630ac268e", 4,
		 "Node @DHT_PEER@ claims the same arc, under an older view. Nothing of it is served until that "
		 "node has given way.",
		 "Nothing, if it ends within seconds."},

	[NOTE_COPY_ANEW] =
		{"copy-anew", "5c63ee23ef064bf98fd2998f7a4f30a7", 6,
		 "Node @DHT_PEER@ has no copy of what it was sent, as it has just come, been started again, or left. "
		 "It is sent all of it once more, if it is still to have one.",
		 "Nothing."},
	[NOTE_COPY_RETURNS] = {"copy-returns", "e6c2408439ab45ffe0ec53b5ad7477ee", 6,
			       "Node @DHT_PEER@ was started again with its data directory, and what it keeps of this "
			       "node's arc is there. It is sent what it may have missed.",
			       "Nothing."},
	[NOTE_KEEPER_LOST] = {"keeper-lost", "9d0db0f84454fb8ee63eeb314db642bb", 4,
			      "Node @DHT_PEER@, which had a copy of this node's arc beside the backup, has it no more: "
			      "@DHT_REASON@. The copy is made again, there or elsewhere.",
			      "Nothing, if 'dhtctl ring' shows all copies soon. Else look at node @DHT_PEER@."},
	[NOTE_MERGING] =
		{"merging", "2563b7f95e004992b82e72e61d4a06b4", 6,
		 "This node has records of an arc that it neither owns nor guards. They are offered to whoever "
		 "owns it: what is newer there stays.",
		 "Nothing."},
	[NOTE_MERGED] = {"merged", "923bf98ae7f742efb302efebed3fb090", 6,
			 "Records that outlived a change of their arc are with the node that owns it.", "Nothing."},
	[NOTE_DROPPED] = {"dropped", "6c9539193a914f228a223c37cbfc0f19", 4,
			  "Somebody published what is no valid message of the ring, and nobody has acted on it. Not "
			  "more than ten such entries come in ten seconds; then a count.",
			  "Find out who publishes it: the broker's log has the clients. Values are never shown here."},

	[NOTE_CONNECTED] = {"connected", "8a743e961edd4e60b2c19da6d0da68ac", 6, "There is a connection to the broker.",
			    "Nothing."},
	[NOTE_BROKER_LOST] =
		{"broker-lost", "38a70d5c37f747b7b6203ec375ad9ef8", 4,
		 "There is no connection to the broker, for this reason. Nobody is served meanwhile, and "
		 "nothing is lost. Each kind of failure is told once, then there are reminders.",
		 "Is the broker running, and does it let this node in? 'dht-node --check-config --instance "
		 "INSTANCE' says where the URL and the password come from. Under systemd, a broker on another "
		 "machine wants the drop-in remote-broker.conf."},
	[NOTE_BROKER_AWAY] = {"broker-away", "be6c92ba8c7b417d81d6fcbe368233e1", 4,
			      "There is still no connection to the broker that lasts.",
			      "As for the first entry of this outage: journalctl DHT_ID=@DHT_ID@."},
	[NOTE_BROKER_AGAIN] = {"broker-again", "5e8855129f734feda05bf3f79a43469c", 7,
			       "One more attempt to reach the broker has failed, as the one before.", "Nothing."},
	[NOTE_BROKER_HUNG] =
		{"broker-hung", "49c7d338bfc04a5ca6a456373cc06ee3", 4,
		 "The connection to the broker lasts, but what the node sent to itself came back late: the broker, or "
		 "the line to it, hung. The other nodes are not taken for dead for having been silent meanwhile.",
		 "Nothing, if it happens once. Otherwise look at the load of the broker's machine and at its log, and "
		 "at the network in between."},
	[NOTE_ACCESS_REFUSED] = {"access-refused", "9ca5be7de7484f49acae0c8cd585834b", 3,
				 "The broker does not let this node subscribe to a topic that it needs.",
				 "Change the broker's access list: nodes read and write all topics of the ring."},
	[NOTE_ACCESS_SILENT] =
		{"access-silent", "4bed265bed37416a9a16aa47de9a0a00", 3,
		 "The broker has granted a topic, but what this node publishes there does not come back. "
		 "Mosquitto's access lists refuse in this way: without a word.",
		 "Change the broker's access list: nodes read and write all topics of the ring."},
	[NOTE_ACCESS_BACK] = {"access-back", "7fa7f71dcdb94985ac302eddd2063cb8", 6,
			      "What this node publishes comes back again.", "Nothing."},

	[NOTE_DISK_REFUSED] =
		{"disk-refused", "f8c43733747dd898f87f6af0887aae45", 3,
		 "The data directory cannot be used, so the node does not run. Exit status 65: it is damaged, or may "
		 "have lost something; 73: it cannot be opened; 75: another process has it, or the clock "
		 "is far ahead of it; 78: it is another node's, "
		 "another ring's, or of a later version.",
		 "Do what the entry says. Whatever is moved away is not lost to the ring while others have copies."},
	[NOTE_DISK_FULL] = {"disk-full", "08bf5a875ed4609e070c944b59683d17", 4,
			    "There is no more room for the data directory. What was acknowledged is safe; what needs "
			    "room is not acknowledged any more.",
			    "Make room on that filesystem. The node goes on by itself."},
	[NOTE_DISK_ROOM] = {"disk-room", "cc5fb5b3c8a86e8cc60f8d23e467fb16", 6,
			    "There is room for the data directory again, and the node goes on.", "Nothing."},
	[NOTE_DISK_FAILED] = {"disk-failed", "9cbe2c95fed54fb205ce17382cb7b719", 3,
			      "The disk has refused a write for good. The node ends (exit status 74), and has "
			      "acknowledged nothing that was not written.",
			      "Look at the kernel's log, and at the disk. With another one, and an empty directory, "
			      "the node gets its records from the others."},
	[NOTE_PEER_FULL] = {"peer-full", "83b626c093bad48959a10315bd2d98f8", 4,
			    "Node @DHT_PEER@, which keeps a copy of an arc of this one, has no room: its disk is full, "
			    "or its memory has come to its limit. Writes that need room there are refused, as they "
			    "could not have all their copies.",
			    "That node's own log says which, and what to do. It goes on by itself."},
	[NOTE_PEER_ROOM] = {"peer-room", "0d51bcab7260b99cf976fbb8904c16a2", 6,
			    "Node @DHT_PEER@ has room again, and writes go on.", "Nothing."},
	[NOTE_DAMAGED] =
		{"damaged", "2b78bdfd490748fc8a43af7bc0c16a5a", 4,
		 "A record is not what a client put, by the sum that came with it: memory, a disk or a broker has "
		 "changed it. It is answered to nobody, and asked of the nodes that keep copies.",
		 "Nothing for one. If it happens again, look at the memory of this machine, and at its disk."},
	[NOTE_HEALED] = {"healed", "0f6d7803dd9742bca1fb45bce027bcb5", 6,
			 "Node @DHT_PEER@ had the record as it was put, and it is answered again.", "Nothing."},
	[NOTE_DAMAGED_LOST] = {"damaged-lost", "c101d462f3d043f0bc83d1eb4641b288", 3,
			       "A record is not what a client put, and no node that keeps a copy has it as it was. Who "
			       "asks for it is told "
			       "that it is damaged.",
			       "Put it anew, or delete it; 'dhtctl export' names the key. If there was one copy only, "
			       "think of --replicas 2."},
	[NOTE_COPY_DIFFERS] =
		{"copy-differs", "d03b5956706a4c45a10aeab864bdad1d", 4,
		 "What node @DHT_PEER@ keeps for this one was compared with what is here, and was not the same. That "
		 "piece is sent to it anew.",
		 "Nothing for one. If it happens again with that node, look at its memory and its disk; if with all, "
		 "please "
		 "report it."},
	[NOTE_SCRUBBED] =
		{"scrubbed", "cf80c2b17aff4af9b2eba19def76bec4", 6,
		 "All copies of the node's arc have been compared, piece by piece, and what differed was sent anew.",
		 "Nothing, unless records were damaged."},
	[NOTE_MEMORY_FULL] =
		{"memory-full", "c5ea01cb16ff4776a5e947b16bc737cd", 4,
		 "What writers may fill of this node's memory (--max-memory) is full. Puts and additions are refused "
		 "here, and by those whose copies lie here; reads, deletes, copies and handovers go on.",
		 "Delete what is not needed, add nodes, or set a greater max-memory ('systemctl reload' is enough). "
		 "It goes on by itself when a 32nd of it is free."},
	[NOTE_MEMORY_ROOM] = {"memory-room", "0c4036286a22434e91f5b723b63cedff", 6,
			      "There is room in this node's memory again, and writes go on.", "Nothing."},
	[NOTE_MEMORY_SHORT] =
		{"memory-short", "2bb797419d404788b5eeb56b18509da4", 4,
		 "If the node ahead of this one left or died, this one would come to hold more than max-memory. It "
		 "would hold it all the same, as nobody else may have it.",
		 "Add nodes, delete what is not needed, or set a greater max-memory, before that happens."},
	[NOTE_MEMORY_OVER] =
		{"memory-over", "d066d687b5da46e5b3fe1d946895aa46", 4,
		 "This node holds more than max-memory, or is about to: records of who has left or died, or copies "
		 "for others. They are not refused, as nobody else may have them.",
		 "Add nodes, or set a greater max-memory. Does the machine have room for what it holds?"},
	[NOTE_MEMORY_UNFIT] =
		{"memory-unfit", "d6785aef112247cb92f9bb969feef39b", 3,
		 "This node is to join, and the arc at its place has more than its max-memory. It does not take it, "
		 "and asks again; nothing is lost, as the records stay where they are.",
		 "Set a greater max-memory, or add a larger node first. Another name has another place on the ring."},
	[NOTE_TOO_MANY_VIEWS] =
		{"too-many-views", "8f2ba6acb5ae4f929f154d93f713bf5b", 3,
		 "The node is named in more views of arcs than it has room for, and refuses one more. No ring "
		 "in good order comes to this.",
		 "Are there nodes that come and go without end? 'dhtctl ring' shows them."},
	[NOTE_TOO_MANY_NODES] =
		{"too-many-nodes", "c56820a411b74d85b139baae395d8c56", 3,
		 "The broker keeps more statuses of nodes than this node has room for, so it cannot know who "
		 "is there.",
		 "Clear what is retained of nodes that are gone for good (mosquitto_pub -r -n -t node/ID)."},
	[NOTE_HUSHED] = {"hushed", "8ecf1607de2a4a05aa352a5e477b6c6d", 4,
			 "So many entries of one kind came within ten seconds that the rest of them was not written.",
			 "Look at those that were: something repeats itself."},

	[NOTE_REFERENCE_JOIN] = {"reference-join", "0c0e8f4233ae4504b909de55ff9ef594", 6,
				 "Node @DHT_PEER@, of the course's reference, joins behind this one.",
				 "Nothing. It keeps its records in its own way, without copies."},
	[NOTE_REFERENCE_ADMITTED] = {"reference-admitted", "0a84a81d3a51477f87bea01bc72440d5", 6,
				     "Nodes of the course's reference have admitted this node.", "Nothing."},
	[NOTE_REFERENCE_LEFT] = {"reference-left", "b947d8dc58d0405aa01a732a9471f3c6", 6,
				 "Node @DHT_PEER@, of the course's reference, has left; its arc is this node's.",
				 "Nothing."},
	[NOTE_REFERENCE_HANDOVER] =
		{"reference-handover", "ef8945600c564dbf9835928c3eca8588", 6,
		 "This node leaves, and hands its records to node @DHT_PEER@, of the course's reference.",
		 "Nothing. That node can hold numbers as keys only."},
	[NOTE_REFERENCE_NAMES] =
		{"reference-names", "69574027a70a478cbb0a4b2576a76587", 4,
		 "Node @DHT_PEER@, of the course's reference, takes over, and cannot hold keys that are names. "
		 "They go with this node.",
		 "Stop the nodes of the reference before the last dht-node, if names are needed."},
	[NOTE_REFERENCE_SILENT] =
		{"reference-silent", "61b13721725f478b87470fc0f251707d", 4,
		 "Node @DHT_PEER@, of the course's reference, does not do what it should: it does not speak, "
		 "or does not take the records.",
		 "Is it running? Nodes of the reference hang when a message is lost; start it again."},
	[NOTE_REFERENCE_DEAD] =
		{"reference-dead", "eb143356dfdc4dc7935d925ad4ffc61e", 4,
		 "Node @DHT_PEER@, of the course's reference, is dead. Nodes of the reference have no copies: "
		 "its records are lost.",
		 "Store what was lost again."},

	[NOTE_PAUSE] = {"pause", "b9deba8e0fe742c1a0ef9e40d9e1aec2", 4,
			"Earlier starts of this node came to nothing: it ended before it was active. Each of them "
			"makes the next one wait for longer, up to a minute, so that the broker is not hammered.",
			"Look at what it said before it ended. 'systemctl stop' and then 'start' begins anew, without "
			"a wait."},
	[NOTE_SIGNAL] = {"signal", "73d6a1e8bcf4467684998743aa7e1d4c", 6,
			 "The node was asked by a signal to end; it leaves the ring first.", "Nothing."},
	[NOTE_SIGNAL_AGAIN] =
		{"signal-again", "f2ec7319091c499cafaefc3d7374374e", 4,
		 "A second signal ends the node at once. Its neighbours take its arc over as that of a dead "
		 "node.",
		 "Nothing, if this was meant."},
	[NOTE_SETTINGS] =
		{"settings", "cd6085ac152447808ed45bcc621d511f", 3,
		 "The settings are wrong, so the node does not start. Exit status 64: an option or a variable; "
		 "78: a file.",
		 "Correct the place that the entry names. 'dht-node --check-config --instance INSTANCE' tries "
		 "it without starting a node."},
	[NOTE_RELOADED] =
		{"reloaded", "4e83231f744b44e79836b0453e9beb51", 6,
		 "The files of settings have been read anew. The log's level and max-memory count at once; the "
		 "settings that are named wait for a restart, which loses nothing.",
		 "Restart the node, if the entry names settings."},
	[NOTE_RELOAD_WRONG] =
		{"reload-wrong", "138873c380e54bc4bdf534354a439221", 3,
		 "The files of settings have been read anew, and are wrong. The node goes on with those that "
		 "it had.",
		 "Correct the place that the entry names, and reload once more."},
	[NOTE_LIBRARY] = {"library", "3f81137f86bf44bb85f53ba17f1d6a94", 4,
			  "A library warns, mostly of a name server that does not answer.",
			  "Look at /etc/resolv.conf, and whether the unit's IPAddressAllow= names the name server; or "
			  "write the broker's address into its URL."},
	[NOTE_MANAGER] = {"manager", "feaf617cbaf9469ab4f89ac88a0a4389", 4,
			  "The service manager, or the journal, cannot be spoken to.",
			  "Is libsystemd installed? Without it, systemd takes the node for one that never starts."},
};

static bool named(const struct note_row *row, const char *field)
{
	return strstr(row->means, field) || strstr(row->advice, field);
}

const struct note_row *note_find(const char *id)
{
	for (int i = 0; i < NOTE_COUNT; i++) {
		if (strcmp(note_rows[i].id, id) == 0)
			return &note_rows[i];
	}
	return NULL;
}

bool note_complete(enum note_kind note, const struct about *about)
{
	const struct note_row *row = &note_rows[note];

	return (about->has_peer || !named(row, "@DHT_PEER@")) && (about->has_arc || !named(row, "@DHT_ARC@")) &&
	       (about->epoch || !named(row, "@DHT_EPOCH@")) && (about->reason || !named(row, "@DHT_REASON@"));
}
