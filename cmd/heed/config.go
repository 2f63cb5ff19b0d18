package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// config is all that the program was told, checked.
type config struct {
	fileConfig
	Path string           // of the file; empty where there is none
	From map[string]given // settings as they were given, by environment name

	Data, DatabaseURL, RedisURL, SMTPURL string
	PublicURL                            string // without a slash at the end; empty: where it listens
	Listen                               string
	Connections                          int
	Rate                                 float64
	Poll                                 time.Duration
	RetryFirst                           time.Duration
	LogFormat                            string
}

// loadConfig reads flags, environment and file, and checks what needs no look
// at other files or servers.
func loadConfig(flags settingFlags, env environment) (config, error) {
	path, asked := "heed.toml", true
	switch {
	case flags.Config != nil:
		path = *flags.Config
	case env.get("HEED_CONFIG") != "":
		path = env.get("HEED_CONFIG")
	default:
		asked = false
	}
	file, present, err := readConfigFile(path, asked)
	if err != nil {
		return config{}, err
	}
	c := config{fileConfig: file, From: map[string]given{}}
	if present {
		c.Path = path
	}
	for _, s := range flags.table() {
		if c.From[s.env], err = s.choose(env, file.settings()); err != nil {
			return c, err
		}
	}
	return c, c.fill()
}

func (c *config) value(name string) string { return c.From[name].value }

// fill turns the settings into their types.
func (c *config) fill() error {
	c.Data, c.RedisURL, c.SMTPURL = c.value("HEED_DATA"), c.value("REDIS_URL"), c.value("SMTP_URL")
	if c.From["HEED_DATA"].from == "file" {
		c.Data = c.relative(c.Data)
	}
	c.Listen, c.LogFormat = c.value("LISTEN"), c.value("LOG_FORMAT")
	c.PublicURL = strings.TrimSuffix(c.value("PUBLIC_URL"), "/")
	if c.DatabaseURL = c.value("DATABASE_URL"); c.DatabaseURL == "" {
		c.DatabaseURL = "sqlite:" + filepath.Join(c.Data, "heed.db")
	}
	var problems []error
	number := func(err error, name, want string) {
		if err != nil {
			problems = append(problems, fmt.Errorf("%s is %q, but must be %s", c.where(name), c.value(name), want))
		}
	}
	var err error
	c.Connections, err = strconv.Atoi(c.value("SMTP_CONNECTIONS"))
	number(positive(c.Connections, err), "SMTP_CONNECTIONS", "a whole number from 1 to 1000")
	c.Rate, err = strconv.ParseFloat(c.value("RATE"), 64)
	number(notNegative(c.Rate, err), "RATE", "a number of messages a second, 0 for no limit")
	c.Poll, err = time.ParseDuration(c.value("POLL"))
	number(notNegative(c.Poll.Seconds(), err), "POLL", "a time such as 60s or 5m")
	if c.Delivery.RetryFirst != "" {
		if c.RetryFirst, err = time.ParseDuration(c.Delivery.RetryFirst); err != nil || c.RetryFirst <= 0 {
			problems = append(problems, fmt.Errorf("delivery.retry_first is %q, but must be a time such as 30m", c.Delivery.RetryFirst))
		}
	}
	problems = append(problems, c.check()...)
	return errors.Join(problems...)
}

// where tells a person where a setting was made.
func (c *config) where(name string) string {
	switch c.From[name].from {
	case "file":
		return strings.ToLower(strings.TrimPrefix(name, "HEED_")) + " in " + c.Path
	case "flag":
		return "the flag for " + name
	}
	return name
}

var errRange = errors.New("out of range")

func positive(n int, err error) error {
	if err == nil && (n < 1 || n > 1000) {
		return errRange
	}
	return err
}

func notNegative(n float64, err error) error {
	if err == nil && (n < 0 || n > 1e6 || n != n) {
		return errRange
	}
	return err
}

// reachable refuses to send links that only work on this machine to a relay
// that does not: nobody who gets them could stop the mail.
func reachable(relay, public string) error {
	u, err := url.Parse(public)
	if err != nil || !loopback(u.Hostname()) || loopback(relay) {
		return nil
	}
	return hinted(errors.New("the links in mails would point to "+u.Host+", which only this machine reaches"),
		"set PUBLIC_URL to the https address under which recipients reach this server")
}

// patient bounds how long a database may take to answer the first call.
func patient(database string) string {
	if !strings.HasPrefix(database, "postgres") || strings.Contains(database, "connect_timeout=") {
		return database
	}
	separator := "?"
	if strings.Contains(database, "?") {
		separator = "&"
	}
	return database + separator + "connect_timeout=10"
}

// loopback goes by the name as it is written, like the relay's.
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// checkPublicURL wants https, because the links are secrets of their readers.
func checkPublicURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("PUBLIC_URL must be like https://news.example.com, without user, query and fragment")
	}
	if u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()) {
		return nil
	}
	return errors.New("PUBLIC_URL must begin with https:// (http:// is for loopback hosts only), because mail providers only call https links")
}

func checkListen(name, text string) error {
	if _, port, err := net.SplitHostPort(text); err != nil || port == "" {
		return fmt.Errorf("%s is %q, but must be HOST:PORT, such as 127.0.0.1:8080", name, text)
	}
	return nil
}

// keys is the folder of the secrets that lie beside the database.
func (c *config) keys() string { return filepath.Join(c.Data, "keys") }

// journal is the second record of opt-outs and erasures. Like the keys it is
// not part of a backup of the database, which it has to outlive.
func (c *config) journal() string {
	path := c.value("HEED_JOURNAL")
	if path == "" {
		return filepath.Join(c.keys(), "journal")
	}
	if strings.HasPrefix(path, "postgres") || strings.HasPrefix(path, "sqlite:") {
		return patient(path)
	}
	if c.From["HEED_JOURNAL"].from == "file" {
		return c.relative(path)
	}
	return path
}

// relative resolves a path of the file, which is relative to the file.
func (c *config) relative(path string) string {
	if path == "" || filepath.IsAbs(path) || c.Path == "" {
		return path
	}
	return filepath.Join(filepath.Dir(c.Path), path)
}
