package main

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"heed/inbox"
)

// authWays are the ways to log in to a mailbox.
func authWays() []string {
	return []string{inbox.AuthPassword, inbox.AuthOAuthBearer, inbox.AuthXOAuth2}
}

func (m mailboxConfig) usesTokens() bool {
	return m.Auth == inbox.AuthOAuthBearer || m.Auth == inbox.AuthXOAuth2
}

// checkAuth refuses half a configuration: what is given for one way to log in
// while another is used was meant otherwise.
func (m mailboxConfig) checkAuth() error {
	switch {
	case m.Auth != "" && !slices.Contains(authWays(), m.Auth):
		text := fmt.Sprintf("auth is %q, but must be password, oauthbearer or xoauth2", m.Auth)
		if near := nearest(m.Auth, authWays()); near != "" {
			text += fmt.Sprintf("; did you mean %s?", near)
		}
		return errors.New(text)
	case !m.usesTokens() && m.OAuth != oauthConfig{}:
		return errors.New(`it has an oauth table, but logs in by password: add auth = "xoauth2" or "oauthbearer"`)
	case !m.usesTokens():
		return nil
	case m.PasswordFile != "":
		return fmt.Errorf("it logs in by %s, which needs no password_file: remove it", m.Auth)
	}
	return m.OAuth.check()
}

func (o oauthConfig) check() error {
	switch {
	case o.TokenURL == "" || o.ClientID == "":
		return errors.New("oauth needs token_url and client_id")
	case o.RefreshTokenFile == "" && o.ClientSecretFile == "":
		return errors.New("oauth needs a refresh_token_file, or a client_secret_file with which the application asks for itself")
	}
	return inbox.CheckTokenURL(o.TokenURL)
}

// mailboxOf is what the poller needs of it; paths are relative to the file.
func (c *config) mailboxOf(box mailboxConfig) inbox.Mailbox {
	o := box.OAuth
	return inbox.Mailbox{Role: box.Role, Address: box.Address, URL: box.URL, PasswordFile: c.relative(box.PasswordFile), Auth: box.Auth,
		OAuth: inbox.OAuth{TokenURL: o.TokenURL, ClientID: o.ClientID, ClientSecretFile: c.relative(o.ClientSecretFile),
			RefreshTokenFile: c.relative(o.RefreshTokenFile), Scope: o.Scope}}
}

// keys look public keys up, unless verify_dkim is false.
func (i inboxConfig) keys() *inbox.Keys {
	if i.VerifyDKIM != nil && !*i.VerifyDKIM {
		return nil
	}
	return &inbox.Keys{Lookup: net.DefaultResolver.LookupTXT}
}

// check refuses what no mail server calls itself.
func (i inboxConfig) check() error {
	if strings.ContainsAny(i.TrustedAuthservID, " ;@\"()") {
		return fmt.Errorf("inbox.trusted_authserv_id is %q, but must be the name that your mail server writes first into Authentication-Results, such as mx.example.com", i.TrustedAuthservID)
	}
	return nil
}

// checkPasswords looks at the secrets of the mailboxes. They are read again
// when they are needed, so that a missing one keeps only its own mailbox
// waiting.
func (c *config) checkPasswords() (problems []error) {
	for _, box := range c.Mailbox {
		if err := c.checkPassword(box); err != nil {
			problems = append(problems, err)
		}
	}
	return problems
}

func (c *config) checkPassword(box mailboxConfig) error {
	if box.URL == "" {
		return nil
	}
	for _, secret := range []struct{ what, path, hint string }{
		{"the password", box.PasswordFile, "write the password on one line into the password_file, readable by this user"},
		{"the client secret", box.OAuth.ClientSecretFile, "write the secret that the provider gave the application on one line into client_secret_file"},
		{"the refresh token", box.OAuth.RefreshTokenFile, "consent once with the mailbox's account and write the refresh token on one line into refresh_token_file"},
	} {
		if secret.path == "" {
			continue
		}
		if _, err := readSecret(c.relative(secret.path)); err != nil {
			return hinted(fmt.Errorf("%s of mailbox %s: %w", secret.what, box.Role, err), secret.hint)
		}
	}
	return nil
}
