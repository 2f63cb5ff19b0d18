package main

import (
	"errors"
	"log/slog"
	"net/url"
	"os"
	"strings"

	"heed/consent"
	"heed/store"
)

// defaultAlertCap is how many alerts a person gets in 30 days at most.
const defaultAlertCap = 4

func (c *config) limits() consent.Policy {
	if c.Delivery.AlertCap == nil {
		return consent.Policy{AlertCap: defaultAlertCap}
	}
	return consent.Policy{AlertCap: *c.Delivery.AlertCap}
}

// Gmail's rule for senders is to stay below one complaint in a thousand, and never to
// reach three. Fewer than five may be chance.
const (
	defaultComplaintRate  = 0.003
	defaultComplaintLeast = 5
)

func (c *config) complaints() store.ComplaintLimit {
	l := store.ComplaintLimit{Share: defaultComplaintRate, Least: defaultComplaintLeast}
	if c.Delivery.ComplaintRate != nil {
		l.Share = *c.Delivery.ComplaintRate
	}
	if c.Delivery.ComplaintLeast != nil {
		l.Least = *c.Delivery.ComplaintLeast
	}
	return l
}

// domain is that of Message-IDs and signatures.
func (c *config) domain() string {
	if c.Sender.Domain != "" {
		return c.Sender.Domain
	}
	_, domain, _ := strings.Cut(c.Sender.From, "@")
	return domain
}

// mailbox gives the address that plays a role, or nothing.
func (c *config) mailbox(role string) string {
	for _, box := range c.Mailbox {
		if box.Role == role {
			return box.Address
		}
	}
	return ""
}

// returnPath is where bounces go; empty where nobody reads them.
func (c *config) returnPath() string {
	if c.Sender.ReturnPath != "" {
		return c.Sender.ReturnPath
	}
	return c.mailbox("bounces")
}

// linkBase is where links point to before anybody listens.
func (c *config) linkBase() string {
	if c.PublicURL != "" {
		return c.PublicURL
	}
	return "http://" + c.Listen
}

// canSend names what is missing before anything can be sent.
func (c *config) canSend() error {
	for _, one := range []struct{ key, value string }{{"from", c.Sender.From}, {"name", c.Sender.Name}, {"postal_address", c.Sender.PostalAddress}} {
		if one.value == "" {
			return hinted(errors.New("nothing can be sent: [sender] has no "+one.key), "add it to heed.toml, or let heed init write one; heed config example shows every key")
		}
	}
	return nil
}

func topicsOf(all []topicConfig) []namedConfig {
	out := make([]namedConfig, len(all))
	for i, one := range all {
		out[i] = namedConfig{one.ID, one.Name}
	}
	return out
}

// topicsInWords maps the topics that can be chosen to what each brings.
func (c *config) topicsInWords() map[string]string {
	all := map[string]string{}
	for _, one := range c.Topics {
		all[one.ID] = one.About
	}
	return all
}

func named(all []namedConfig) []store.Named {
	out := make([]store.Named, len(all))
	for i, one := range all {
		out[i] = store.Named{ID: one.ID, Name: one.Name}
	}
	return out
}

// secrets lists the passwords in the settings, which no message may show.
func (c *config) secrets() (all []string) {
	urls := []string{c.DatabaseURL, c.RedisURL, c.SMTPURL, c.Alarm.SMTPURL, c.value("HEED_JOURNAL")}
	for _, one := range c.Relay {
		urls = append(urls, one.URL)
	}
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil {
			continue
		}
		if password, set := u.User.Password(); set && password != "" {
			all = append(all, password, url.QueryEscape(password), url.PathEscape(password))
		}
	}
	return all
}

// redacted shows a URL without its password.
func redacted(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "(cannot be read)"
	}
	query := u.Query()
	for key := range query {
		if strings.Contains(key, "password") {
			query.Set(key, "xxxxx")
			u.RawQuery = query.Encode()
		}
	}
	return u.Redacted()
}

// logger writes events to stderr.
func (c *config) logger() *slog.Logger {
	if c.LogFormat == "text" || c.LogFormat == "" && terminal(os.Stderr) {
		return slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, nil))
}

func terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
