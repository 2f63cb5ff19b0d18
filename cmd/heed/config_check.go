package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"heed/consent"
	"heed/inbox"
	"heed/mailer"
	"heed/templates"
)

// check finds what is wrong without looking at other files or servers.
func (c *config) check() []error {
	problems := []error{checkListen("LISTEN", c.Listen), c.checkLogFormat(), c.checkDatabase(), c.checkRelay(), c.checkSender(), c.Inbox.check()}
	if c.PublicURL != "" {
		problems = append(problems, checkPublicURL(c.PublicURL))
	}
	if on := c.value("METRICS_LISTEN"); on != "" {
		problems = append(problems, checkListen("METRICS_LISTEN", on))
	}
	problems = append(problems, c.checkRelays()...)
	problems = append(problems, c.checkLimits()...)
	problems = append(problems, c.Law.check()...)
	problems = append(problems, c.Alarm.check()...)
	problems = append(problems, c.Retention.check(c.plan().Backups)...)
	problems = append(problems, checkNamed("topic", topicsOf(c.Topics))...)
	problems = append(problems, checkNamed("service", c.Services)...)
	problems = append(problems, c.checkSignUp()...)
	problems = append(problems, c.checkErasure()...)
	problems = append(problems, c.checkDoors()...)
	problems = append(problems, c.checkRegister()...)
	problems = append(problems, c.checkPartners()...)
	for i, box := range c.Mailbox {
		if err := box.check(); err != nil {
			problems = append(problems, fmt.Errorf("mailbox %d (%s): %w", i+1, box.Role, err))
		}
	}
	return slices.DeleteFunc(problems, func(err error) bool { return err == nil })
}

func (c *config) checkLogFormat() error {
	if c.LogFormat != "" && c.LogFormat != "json" && c.LogFormat != "text" {
		return fmt.Errorf("%s is %q, but must be json or text", c.where("LOG_FORMAT"), c.LogFormat)
	}
	return nil
}

func (c *config) checkDatabase() error {
	for _, scheme := range []string{"postgres://", "postgresql://", "sqlite:"} {
		if strings.HasPrefix(c.DatabaseURL, scheme) && len(c.DatabaseURL) > len(scheme) {
			return nil
		}
	}
	return errors.New("DATABASE_URL must be like postgres://user@host/name or sqlite:PATH")
}

func (c *config) checkRelay() error {
	if c.SMTPURL == "" {
		return nil
	}
	if _, err := mailer.ParseRelay(c.SMTPURL); err != nil {
		return fmt.Errorf("SMTP_URL: %w", err)
	}
	return nil
}

// checkSender refuses what is given and wrong; what is missing only matters to
// those who send.
func (c *config) checkSender() error {
	for key, address := range map[string]string{"from": c.Sender.From, "return_path": c.Sender.ReturnPath, "complaints": c.Sender.Complaints} {
		if address == "" {
			continue
		}
		if _, err := consent.Normalize(address); err != nil {
			return fmt.Errorf("sender.%s: %q is %w", key, address, err)
		}
	}
	if err := c.checkSigning(); err != nil {
		return err
	}
	if tag := c.Sender.Language; tag != "" && !templates.Speaks(tag) {
		return fmt.Errorf("sender.language: there are no words in %q; there are in %s", tag, strings.Join(templates.Languages(), ", "))
	}
	for i, key := range c.Sender.DKIM {
		if key.Selector == "" || key.KeyFile == "" {
			return fmt.Errorf("sender.dkim: key %d needs both selector and key_file", i+1)
		}
	}
	if (c.Policy.ID == "") != (c.Policy.File == "") {
		return errors.New("policy: needs both id and file, or neither")
	}
	if c.Delivery.AlertCap != nil && *c.Delivery.AlertCap < 0 {
		return errors.New("delivery.alert_cap: must be 0 (no cap) or a number of alerts in 30 days")
	}
	if rate := c.Delivery.ComplaintRate; rate != nil && (*rate < 0 || *rate >= 1) {
		return errors.New("delivery.complaint_rate: must be 0 (nothing is paused for complaints) or a part of one, such as 0.003 for three in a thousand")
	}
	if least := c.Delivery.ComplaintLeast; least != nil && *least < 1 {
		return errors.New("delivery.complaint_least: must be a number of complaints, 1 or more")
	}
	return nil
}

// checkSigning: reports are asked for by a field that must be signed for the domain
// of From (RFC 9477 §3.1), and only one of heed and the relay is to say what is.
func (c *config) checkSigning() error {
	if c.Sender.RelaySigns && len(c.Sender.DKIM) > 0 {
		return errors.New("sender.relay_signs: heed has keys of its own in sender.dkim; leave out one of the two")
	}
	if c.Sender.Complaints == "" {
		return nil
	}
	_, domain, _ := strings.Cut(c.Sender.Complaints, "@")
	_, from, _ := strings.Cut(c.Sender.From, "@")
	switch {
	case !strings.EqualFold(domain, from):
		return fmt.Errorf("sender.complaints: %s must be of the domain of sender.from, %s, or receivers do not believe it (RFC 9477 §3.1)", c.Sender.Complaints, from)
	case len(c.Sender.DKIM) == 0:
		return errors.New("sender.complaints: receivers believe it only where heed signs it; add sender.dkim (heed init makes a key)")
	}
	return nil
}

var slug = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

func checkNamed(kind string, all []namedConfig) (problems []error) {
	seen := map[string]bool{}
	for i, one := range all {
		switch {
		case !slug.MatchString(one.ID):
			problems = append(problems, fmt.Errorf("%s %d: the id %q must be of a-z, 0-9, dot, dash and underscore, at most 64", kind, i+1, one.ID))
		case one.Name == "":
			problems = append(problems, fmt.Errorf("%s %s: needs a name, which people read", kind, one.ID))
		case seen[one.ID]:
			problems = append(problems, fmt.Errorf("%s %s: stands there twice", kind, one.ID))
		}
		seen[one.ID] = true
	}
	return problems
}

func mailboxRoles() []string {
	return []string{inbox.RoleUnsubscribe, inbox.RolePrivacy, inbox.RoleBounces, inbox.RoleAbuse, inbox.RoleReply}
}

func (m mailboxConfig) check() error {
	if !slices.Contains(mailboxRoles(), m.Role) {
		text := fmt.Sprintf("the role %q is unknown; roles are %s", m.Role, strings.Join(mailboxRoles(), ", "))
		if near := nearest(m.Role, mailboxRoles()); near != "" {
			text += fmt.Sprintf("; did you mean %s?", near)
		}
		return errors.New(text)
	}
	if _, err := consent.Normalize(m.Address); err != nil {
		return fmt.Errorf("its address %q is %w", m.Address, err)
	}
	if m.URL == "" {
		return nil // an address to name in mails, read by somebody else
	}
	_, err := inbox.ParseMailboxURL(m.URL)
	return firstError(err, m.checkAuth())
}

// problems finds what keeps this configuration from sending, without asking a
// server.
func (c *config) problems() []error {
	all := slices.Concat(c.checkFiles(), c.checkPasswords(), c.checkAlarms(), c.checkSystems(), c.checkWebhooks())
	if err := c.canSend(); err != nil {
		all = append(all, err)
	}
	return all
}

// checkFiles looks at the files without which nothing can be sent.
func (c *config) checkFiles() (problems []error) {
	if _, err := c.policy(); err != nil {
		problems = append(problems, err)
	}
	if _, err := c.signer(); err != nil {
		problems = append(problems, err)
	}
	if _, err := c.welcomes(nil); err != nil {
		problems = append(problems, err)
	}
	if err := c.checkBackupKeys(); err != nil {
		problems = append(problems, err)
	}
	if c.hasRelay() {
		if _, err := c.relays(); err != nil {
			problems = append(problems, err)
		}
	}
	return problems
}

// policy reads the text that people agree to.
func (c *config) policy() (consent.PolicyVersion, error) {
	if c.Policy.ID == "" {
		return consent.PolicyVersion{}, nil
	}
	text, err := os.ReadFile(c.relative(c.Policy.File))
	if err != nil {
		return consent.PolicyVersion{}, hinted(fmt.Errorf("reading the policy %s: %w", c.Policy.ID, err), "policy.file must name the text that people agree to")
	}
	first := consent.NewPolicyVersion(c.Policy.ID, text)
	first.Purposes = c.Policy.Purposes
	return first, nil
}

// signer reads the DKIM keys; it is nil where the relay signs.
func (c *config) signer() (*mailer.Signer, error) {
	if len(c.Sender.DKIM) == 0 {
		return nil, nil
	}
	var keys []mailer.DKIMKey
	for _, one := range c.Sender.DKIM {
		text, err := os.ReadFile(c.relative(one.KeyFile))
		if err != nil {
			return nil, hinted(fmt.Errorf("reading the DKIM key %s: %w", one.Selector, err), "heed init makes keys; without sender.dkim the relay is expected to sign")
		}
		keys = append(keys, mailer.DKIMKey{Selector: one.Selector, PEM: text})
	}
	signer, err := mailer.NewSigner(c.domain(), keys)
	if err != nil {
		return nil, fmt.Errorf("sender.dkim: %w", err)
	}
	return signer, nil
}
