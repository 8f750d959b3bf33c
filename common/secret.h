/* Files that are for no other eyes: the password, the private key. */
#ifndef DHT_SECRET_H
#define DHT_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#define SECRET_ERROR_MAX 500

/* Says in path where a credential of that name (systemd.exec(5), LoadCredential=) is; false if there is none. */
bool secret_credential(const char *name, char *path, size_t size);

/* What a file holds, and a NUL behind it; for secret_free.  It is to be regular, have at most max bytes, be of root or of
 * whoever we are, not for all users to read and for nobody else to write; a credential has been guarded by who made it.
 * NULL, with a line in error (lower case, no period, begins with what: "password file"), if it is not so. */
char *secret_read(const char *what, const char *path, bool credential, size_t max, size_t *len,
		  char error[SECRET_ERROR_MAX]);

/* Wipes it.  NULL is fine. */
void secret_free(char *text, size_t len);

/* "WHAT PATH: WHY" in error; false. */
bool secret_refuse(char error[SECRET_ERROR_MAX], const char *what, const char *path, const char *why);
/* The same with errno's reason. */
bool secret_refuse_errno(char error[SECRET_ERROR_MAX], const char *what, const char *path);

#endif
