/* What Mosquitto is to be told, so that each user may do what he is for and nothing else: configuration, access list,
 * passwords.  Pure but for the random numbers in passwords. */
#ifndef DHT_BROKER_FILES_H
#define DHT_BROKER_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum broker_role { BROKER_NODE, BROKER_OPERATOR, BROKER_CLIENT };

struct broker_user {
	char *name;
	enum broker_role role;
};

struct broker_plan {
	const char *prefix;             /* of the ring's topics, or "" */
	const char *folder;             /* where its files lie for Mosquitto */
	const char *certfile, *keyfile; /* the broker's own; NULL: no TLS, and this machine alone */
	unsigned port;                  /* 0: 8883, or 1883 without TLS */
	bool reference;                 /* clients may use the reference's topics */
	struct broker_user *users;
	size_t count;
};

/* Adds the names of a list "a,b,c"; NULL, or what is wrong with one (static), and *name is that one, for free(). */
const char *broker_add_users(struct broker_plan *plan, const char *list, enum broker_role role, char **name);
void broker_free(struct broker_plan *plan);

void broker_write_config(FILE *out, const struct broker_plan *plan);
void broker_write_access(FILE *out, const struct broker_plan *plan);

/* One line of Mosquitto's password_file: PBKDF2 of the password, with a salt of its own. */
void broker_write_hash(FILE *out, const char *user, const char *password);

#endif
