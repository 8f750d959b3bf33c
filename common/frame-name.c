/* What frames and states are called, in logs and traces. */
#include "frame.h"

const char *frame_type_name(enum frame_type type)
{
	static const char *const names[FRAME_TYPES] = {
		[FRAME_NONE] = "none",       [FRAME_HELLO] = "hello",     [FRAME_REFUSE] = "refuse",
		[FRAME_BUSY] = "busy",       [FRAME_OFFER] = "offer",     [FRAME_ASK] = "ask",
		[FRAME_ACCEPT] = "accept",   [FRAME_RECORDS] = "records", [FRAME_RACK] = "rack",
		[FRAME_CUT] = "cut",         [FRAME_GRANT] = "grant",     [FRAME_VOID] = "void",
		[FRAME_STORE] = "store",     [FRAME_STORED] = "stored",   [FRAME_REFUSED] = "refused",
		[FRAME_HOLDS] = "holds",     [FRAME_ACTIVE] = "active",   [FRAME_SYNC] = "sync",
		[FRAME_CONFIRM] = "confirm", [FRAME_NOTIFY] = "notify",   [FRAME_FIND] = "find",
		[FRAME_FOUND] = "found",     [FRAME_TRIP] = "trip",       [FRAME_MERGE] = "merge",
		[FRAME_MERGED] = "merged",   [FRAME_WHO] = "who",         [FRAME_STATUS] = "status",
		[FRAME_LEAVE] = "leave",     [FRAME_REPLY] = "reply",     [FRAME_REQUEST] = "request",
		[FRAME_ANSWER] = "answer",   [FRAME_EVENT] = "event",     [FRAME_COPY] = "copy",
		[FRAME_COPIED] = "copied",   [FRAME_FORGET] = "forget",   [FRAME_RECOVER] = "recover",
		[FRAME_SCRUB] = "scrub",
	};

	return type < FRAME_TYPES && names[type] ? names[type] : "unknown";
}

const char *node_state_name(enum node_state state)
{
	static const char *const names[NODE_STATES] = {
		[NODE_GONE] = "gone",     [NODE_CONNECTING] = "connecting", [NODE_JOINING] = "joining",
		[NODE_ACTIVE] = "active", [NODE_SUSPECT] = "suspect",       [NODE_LEAVING] = "leaving",
		[NODE_LEFT] = "left",
	};

	return state < NODE_STATES ? names[state] : "unknown";
}
