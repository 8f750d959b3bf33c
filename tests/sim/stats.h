/* What happened, counted: one row each, expanded to the index, the closing table and its order.  What never happens in a
 * long campaign is a hole in the simulator, not a success; rows marked with 1 must be seen. */
#ifndef SIM_STATS_H
#define SIM_STATS_H

#define STATS(X)                                                                               \
	X(EVENTS, "events", 0)                                                                 \
	X(STEPS, "node steps", 0)                                                              \
	X(PUBLISHED, "messages published", 0)                                                  \
	X(DELIVERED, "messages delivered", 0)                                                  \
	X(OPS, "operations placed", 1)                                                         \
	X(OPS_DONE, "operations answered", 1)                                                  \
	X(OPS_EXCUSED, "operations that a fault excused, if there were no answer", 0)          \
	X(OPS_OPEN, "operations never answered (excused)", 0)                                  \
	X(GETS_ABSENT, "gets answered: absent", 1)                                             \
	X(SCRUBBED, "rounds in which all copies of an arc were compared", 0)                   \
	X(QUIET_OPS, "operations of the quiet phase", 1)                                       \
	X(GENTLE, "seeds with joins and leaves only", 1)                                       \
	X(STARTS, "processes started", 1)                                                      \
	X(FOUNDINGS, "all nodes started in one moment", 1)                                     \
	X(JOIN, "fault: join", 1)                                                              \
	X(LEAVE, "fault: leave", 1)                                                            \
	X(STOP_ALL, "fault: everybody leaves", 1)                                              \
	X(CRASH, "fault: crash", 1)                                                            \
	X(CRASH_SILENT, "fault: crash without a notice (power, half-open)", 1)                 \
	X(RETURNED, "fault: crashed node returned, memory empty", 1)                           \
	X(PAUSE, "fault: pause", 1)                                                            \
	X(PAUSE_LONG, "fault: pause beyond the keepalive", 1)                                  \
	X(CUT, "fault: connection cut", 1)                                                     \
	X(CUT_HALF, "fault: connection half-open", 1)                                          \
	X(CUT_CLIENT, "fault: client cut", 1)                                                  \
	X(STALL, "fault: connection stalled", 1)                                               \
	X(BROKER_TERM, "fault: broker restarted in order", 1)                                  \
	X(BROKER_KILL, "fault: broker killed", 1)                                              \
	X(RETAINED_LOST, "fault: retained messages lost", 1)                                   \
	X(RETAINED_STALE, "fault: retained messages gone back", 1)                             \
	X(HANG, "fault: broker hangs and goes on", 1)                                          \
	X(HANG_KILLED, "fault: broker hangs and is killed", 1)                                 \
	X(CLOCK, "fault: clock jumped forward", 1)                                             \
	X(DRIFT, "processes whose clock ran at another rate", 1)                               \
	X(SLOW, "processes that read slowly", 0)                                               \
	X(OPERATE, "fault: everybody stopped and started, in any order", 1)                    \
	X(TWIN, "fault: second process with an id in use", 1)                                  \
	X(DROP, "fault: single message dropped", 0)                                            \
	X(OVERFLOW, "fault: message dropped on a full queue", 0)                               \
	X(REFUSED, "fault: subscription refused", 0)                                           \
	X(SUBACK_LATE, "SUBACKs long behind the subscription", 1)                              \
	X(SUBSCRIBE_LATE, "subscriptions long behind the SUBACK", 0)                           \
	X(CONNACK_LOST, "CONNACKs that never came", 1)                                         \
	X(WILL_LOST, "wills never published", 1)                                               \
	X(WILL_LATE, "wills published late", 1)                                                \
	X(GARBAGE, "messages of strangers that make no sense", 1)                              \
	X(REPLAYED, "frames of the past said again by strangers", 1)                           \
	X(VANISH, "clients gone amid an operation", 1)                                         \
	X(REPEATED, "puts said twice", 1)                                                      \
	X(AIMED, "fault aimed at one protocol step", 1)                                        \
	X(FENCES, "fences", 1)                                                                 \
	X(FENCE_HIT, "fences that closed a session", 1)                                        \
	X(FENCE_UNKNOWN, "fences whose CONNACK got lost", 1)                                   \
	X(WILLS, "wills published", 1)                                                         \
	X(UNHEARD, "packets thrown away with a session", 1)                                    \
	X(EXIT_STOP, "nodes that left when asked", 1)                                          \
	X(EXIT_LAST, "... as the last of the ring", 1)                                         \
	X(EXIT_OTHER, "nodes that gave up by themselves", 1)                                   \
	X(TAKEOVERS, "keys whose server died: records excused", 1)                             \
	X(HANDOVERS, "keys whose server changed in good order", 1)                             \
	X(BACK, "keys served again by the same node after a lost connection", 1)               \
	X(SHOWN_KEPT, "answers whose version the backup had", 0)                               \
	X(WILD_READS, "gets answered with what a death excuses", 1)                            \
	X(DOUBLES, "operations answered twice (disorder)", 0)                                  \
	X(NOT_LOST, "keys whose last value was there in the end (disorder)", 0)                \
	X(HELD_FULL, "times that a node had no room to hold operations", 0)                    \
	X(CALM, "looks at the first phase at which nothing was wrong", 1)                      \
	X(LINEAR_YES, "keys found linearizable by search as well", 1)                          \
	X(LINEAR_ONLY, "... by search alone: puts said twice", 1)                              \
	X(LINEAR_UNKNOWN, "... not decided by search (a failure, unless decided by zones)", 0) \
	X(LINEAR_LONG, "keys with too long a history for the search", 0)                       \
	X(OURS_FRAMES, "requests of clients of ours", 1)                                       \
	X(OURS_ASKED_OWNER, "... asked of an owner that they knew", 1)                         \
	X(OURS_RETRIED, "... that had been asked before", 1)                                   \
	X(OURS_TOKENS, "writes sent back for a token", 1)                                      \
	X(OURS_MOVED, "operations answered: moved", 1)                                         \
	X(OURS_FAILED, "conditions that failed", 1)                                            \
	X(OURS_AGAIN, "writes answered again as the first time", 1)                            \
	X(OURS_UNKNOWN, "writes that ended unknown", 1)                                        \
	X(OURS_COUNTERS, "counters that came to what was added", 1)                            \
	X(LACKED, "operations heard by nodes without room in memory", 0)                       \
	X(OURS_FULL, "writes refused for want of room", 0)                                     \
	X(OURS_UNDONE, "writes that ended undone, without a token", 1)                         \
	X(OURS_LEFT, "clients of ours that said that they want no answer again", 1)            \
	X(OURS_FORGOTTEN, "clients forgotten, for want of room", 1)                            \
	X(OURS_NOT_KNOWN, "writes answered: unknown", 1)                                       \
	X(OURS_LIVES, "puts that were to expire", 1)                                           \
	X(OURS_EXPIRED, "gets that found their end", 1)                                        \
	X(OURS_STRANGE, "writes of strangers in the names of clients that are not", 1)         \
	X(OURS_REPLAYED, "requests of clients of ours said again by strangers", 1)             \
	X(OURS_GIVEN_BACK, "filters given back by nodes that serve", 1)                        \
	X(OURS_COVERED, "keys heard by who was about to take them over", 1)                    \
	X(GROUPS, "groups of writes to disks", 0)                                              \
	X(COMMITS, "commits", 0)                                                               \
	X(GROUPS_LOST, "groups that were not committed when their process died", 0)            \
	X(RESTORED, "processes that came back with their disk", 0)                             \
	X(DISK_LOST, "disks lost", 0)                                                          \
	X(ACCEPTED, "seeds in which an operator had to give something up", 0)                  \
	X(POWER, "fault: power cut, of some or all", 0)                                        \
	X(FULL, "fault: disk full", 0)                                                         \
	X(QUIET_MS, "milliseconds until all was healed", 0)

enum stat {
#define X(name, text, must) STAT_##name,
	STATS(X)
#undef X
		STAT_COUNT,
};

#endif
