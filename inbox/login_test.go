package inbox

import (
	"strings"
	"testing"

	"heed/store/storetest"
)

// TestDovecotTLS logs in by a password over both kinds of TLS, and not where
// the certificate is a stranger's.
func TestDovecotTLS(t *testing.T) {
	server := storetest.DovecotWith(t, storetest.DovecotOptions{TLS: true})
	password := contents(t, server.PasswordFile("privacy"))
	for _, implicit := range []bool{false, true} {
		where, err := ParseMailboxURL(server.URLSecure("privacy", implicit))
		if err != nil {
			t.Fatal(err)
		}
		c, err := dial(t.Context(), proof{where.User, password, AuthPassword, where}, server.Roots())
		if err != nil {
			t.Fatalf("implicit %v: %v", implicit, err)
		}
		c.close()
		if _, err := dial(t.Context(), proof{where.User, password, AuthPassword, where}, nil); err == nil {
			t.Errorf("implicit %v: a stranger's certificate was taken", implicit)
		}
	}
}

// TestLoginMechanisms: servers that take passwords in one way only.
func TestLoginMechanisms(t *testing.T) {
	for name, config := range map[string]string{"PLAIN": "auth_mechanisms = plain\n", "LOGIN": "auth_mechanisms = login\nimap_capability = IMAP4rev1 LOGINDISABLED AUTH=LOGIN\n"} {
		t.Run(name, func(t *testing.T) {
			server := storetest.DovecotWith(t, storetest.DovecotOptions{Config: config})
			where, err := ParseMailboxURL(server.URL("abuse"))
			if err != nil {
				t.Fatal(err)
			}
			c, err := dial(t.Context(), proof{where.User, contents(t, server.PasswordFile("abuse")), AuthPassword, where}, nil)
			if err != nil {
				t.Fatal(err)
			}
			c.close()
			_, err = dial(t.Context(), proof{where.User, "wrong-word", AuthPassword, where}, nil)
			if err == nil || !strings.Contains(err.Error(), "check the user and password_file") || strings.Contains(err.Error(), "wrong-word") {
				t.Errorf("a wrong password: %v", err)
			}
			if _, err = dial(t.Context(), proof{where.User, "token-word", AuthXOAuth2, where}, nil); err == nil || strings.Contains(err.Error(), "token-word") {
				t.Errorf("a server without XOAUTH2: %v", err)
			}
		})
	}
}
