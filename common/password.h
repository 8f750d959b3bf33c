/* The password that belongs to the user of the broker's URL, where it does not stand in there: in a file that nobody else
 * can read, or handed over by the service manager.  Never on a command line; no line of ours has it. */
#ifndef DHT_PASSWORD_H
#define DHT_PASSWORD_H

#include <stdbool.h>

#include "secret.h"
#include "url.h"

#define PASSWORD_PLACE_MAX 320
/* Nothing that is longer is read: whatever it is, it is no password. */
#define PASSWORD_FILE_MAX 4096

/* The name of the credential (systemd.exec(5), LoadCredential=), a file in $CREDENTIALS_DIRECTORY. */
#define PASSWORD_CREDENTIAL "dht-node.password"

/* If the URL has a user and no password: takes it from `file` (NULL or "": none), else from the credential, if that is
 * wanted and there.  Says in place where the password came from, "" if there is none.
 *
 * A file is guarded as secret_read wants it; it holds one line of 1 to 127 bytes (a newline at its end is no part of the
 * password).  False, with a line in error (lower case,
 * no period), if it is not so. */
bool password_take(struct url *url, const char *file, bool credential, char place[PASSWORD_PLACE_MAX],
		   char error[SECRET_ERROR_MAX]);

#endif
