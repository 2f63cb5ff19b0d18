package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// settingFlags are the flags that every command knows. What is not given is
// looked for in the environment, then in the file, then a default is taken.
type settingFlags struct {
	Config      *string `help:"Configuration file (HEED_CONFIG; ./heed.toml)." placeholder:"FILE" group:"Settings"`
	Data        *string `help:"Folder of the database and the keys (HEED_DATA; ./heed-data)." placeholder:"DIR" group:"Settings"`
	Journal     *string `help:"Second record of opt-outs and erasures: a file or folder on another disk, or postgres://… or sqlite:PATH of another database (HEED_JOURNAL; beside the keys)." placeholder:"PLACE" group:"Settings"`
	BackupKeys  *string `name:"backup-recipients" help:"Who can read backups: public keys of age (age1…), or files of them, several with commas between (HEED_BACKUP_RECIPIENTS; none: backups are not encrypted)." placeholder:"KEYS" group:"Settings"`
	DatabaseURL *string `name:"database-url" help:"postgres://… or sqlite:PATH (DATABASE_URL; in the data folder)." placeholder:"URL" group:"Settings"`
	RedisURL    *string `name:"redis-url" help:"redis://, rediss://, unix://, redis+sentinel:// or redis+cluster:// (REDIS_URL; empty: in this process)." placeholder:"URL" group:"Settings"`
	SMTPURL     *string `name:"smtp-url" help:"Relay, smtp://[user:pass@]host:port?tls=none|starttls|implicit (SMTP_URL)." placeholder:"URL" group:"Settings"`
	PublicURL   *string `name:"public-url" help:"Where recipients reach this server (PUBLIC_URL)." placeholder:"URL" group:"Settings"`
	Listen      *string `help:"Address to serve on (LISTEN; 127.0.0.1:8080)." placeholder:"HOST:PORT" group:"Settings"`
	Metrics     *string `name:"metrics-listen" help:"Address for /metrics and /healthz of a worker, inbox or scheduler (METRICS_LISTEN; none)." placeholder:"HOST:PORT" group:"Settings"`
	Connections *string `name:"smtp-connections" help:"Connections to the relay for newsletters (SMTP_CONNECTIONS; 10)." placeholder:"N" group:"Settings"`
	Rate        *string `help:"Messages a second over all, 0 for no limit (RATE; 0)." placeholder:"N" group:"Settings"`
	Poll        *string `help:"How often mailboxes are looked at (POLL; 60s)." placeholder:"TIME" group:"Settings"`
	LogFormat   *string `name:"log-format" help:"json or text (LOG_FORMAT; text on a terminal)." placeholder:"FORMAT" group:"Settings"`
}

// setting is one value that can be given in four ways.
type setting struct {
	env, key string // in the environment and in the file
	flag     *string
	fallback string
	secret   bool // may hold a password: also taken from the file that env_FILE names
}

func (f settingFlags) table() []setting {
	return []setting{
		{"HEED_DATA", "data", f.Data, "./heed-data", false},
		{"HEED_JOURNAL", "journal", f.Journal, "", true},
		{"HEED_BACKUP_RECIPIENTS", "backup_recipients", f.BackupKeys, "", false},
		{"DATABASE_URL", "database_url", f.DatabaseURL, "", true},
		{"REDIS_URL", "redis_url", f.RedisURL, "", true},
		{"SMTP_URL", "smtp_url", f.SMTPURL, "", true},
		{"PUBLIC_URL", "public_url", f.PublicURL, "", false},
		{"LISTEN", "listen", f.Listen, "127.0.0.1:8080", false},
		{"METRICS_LISTEN", "metrics_listen", f.Metrics, "", false},
		{"SMTP_CONNECTIONS", "smtp_connections", f.Connections, "10", false},
		{"RATE", "rate", f.Rate, "0", false},
		{"POLL", "poll", f.Poll, "60s", false},
		{"LOG_FORMAT", "log_format", f.LogFormat, "", false},
	}
}

// given is a value and where it came from.
type given struct{ value, from string }

// choose takes the first of flag, environment, file and default.
func (s setting) choose(env environment, file map[string]string) (given, error) {
	if s.flag != nil {
		return given{*s.flag, "flag"}, nil
	}
	value, from, err := env.lookup(s.env, s.secret)
	if err != nil {
		return given{}, err
	}
	if value != "" {
		return given{value, from}, nil
	}
	if value := file[s.key]; value != "" {
		return given{value, "file"}, nil
	}
	return given{s.fallback, "default"}, nil
}

// environment holds NAME=value pairs.
type environment []string

func (e environment) get(name string) string {
	for i := len(e) - 1; i >= 0; i-- {
		if value, found := strings.CutPrefix(e[i], name+"="); found {
			return value
		}
	}
	return ""
}

// lookup reads a variable; a secret may lie in the file that NAME_FILE names.
func (e environment) lookup(name string, secret bool) (value, from string, err error) {
	value, file := e.get(name), e.get(name+"_FILE")
	if !secret || file == "" {
		return value, name, nil
	}
	if value != "" {
		return "", "", hinted(fmt.Errorf("both %s and %s_FILE are set", name, name), "unset one of them")
	}
	value, err = readSecret(file)
	if err != nil {
		return "", "", hinted(fmt.Errorf("reading the secret that %s_FILE names: %w", name, err), "the file must exist, be readable by this user and hold the value on one line")
	}
	return value, name + "_FILE", nil
}

// readSecret reads a file of one line. Its errors tell the path, never what is
// in it.
func readSecret(path string) (string, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	value := strings.TrimSpace(string(raw))
	if value == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	if strings.ContainsAny(value, "\r\n") {
		return "", errors.New(path + " holds more than one line")
	}
	return value, nil
}
