package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// fileConfig is heed.toml. Each variable of the environment may stand there
// too, in lower case and without HEED_.
type fileConfig struct {
	Data            any `toml:"data" json:"data"`
	Journal         any `toml:"journal" json:"journal"`
	BackupKeys      any `toml:"backup_recipients" json:"backup_recipients"`
	DatabaseURL     any `toml:"database_url" json:"database_url"`
	RedisURL        any `toml:"redis_url" json:"redis_url"`
	SMTPURL         any `toml:"smtp_url" json:"smtp_url"`
	PublicURL       any `toml:"public_url" json:"public_url"`
	Listen          any `toml:"listen" json:"listen"`
	MetricsListen   any `toml:"metrics_listen" json:"metrics_listen"`
	SMTPConnections any `toml:"smtp_connections" json:"smtp_connections"`
	Rate            any `toml:"rate" json:"rate"`
	Poll            any `toml:"poll" json:"poll"`
	LogFormat       any `toml:"log_format" json:"log_format"`

	Sender   senderConfig    `toml:"sender" json:"sender"`
	Topics   []topicConfig   `toml:"topic" json:"topic"`
	Services []namedConfig   `toml:"service" json:"service"`
	Policy   policyConfig    `toml:"policy" json:"policy"`
	SignUp   signUpConfig    `toml:"signup" json:"signup"`
	Mailbox  []mailboxConfig `toml:"mailbox" json:"mailbox"`
	Inbox    inboxConfig     `toml:"inbox" json:"inbox"`
	Delivery deliveryConfig  `toml:"delivery" json:"delivery"`
	Backup   []backupConfig  `toml:"backup" json:"backup"`
	System   []systemConfig  `toml:"system" json:"system"`
	Law      lawConfig       `toml:"law" json:"law"`
	Alarm    alarmConfig     `toml:"alarm" json:"alarm"`

	Relay []relayConfig `toml:"relay" json:"-"`
	Limit []limitConfig `toml:"limit" json:"limit"`
	Pace  paceConfig    `toml:"pace" json:"pace"`

	Webhook  []webhookConfig  `toml:"webhook" json:"webhook"`
	API      apiConfig        `toml:"api" json:"api"`
	Provider []providerConfig `toml:"provider" json:"provider"`

	Retention retentionConfig `toml:"retention" json:"retention"`

	Processors []recipientConfig `toml:"processor" json:"processor"`
	Partners   []recipientConfig `toml:"partner" json:"partner"`
}

type senderConfig struct {
	Name          string       `toml:"name" json:"name"`
	From          string       `toml:"from" json:"from"`
	Domain        string       `toml:"domain" json:"domain"` // of Message-IDs and signatures; that of from where empty
	PostalAddress string       `toml:"postal_address" json:"postal_address"`
	ReturnPath    string       `toml:"return_path" json:"return_path"`
	Language      string       `toml:"language" json:"language"` // of pages and campaigns where nothing else is known; en where empty
	DKIM          []dkimConfig `toml:"dkim" json:"dkim"`
	// RelaySigns says that the relay signs: mails then offer one-click only once heed
	// doctor has seen that its signature covers it. Unauthenticated lets campaigns
	// start although records are missing. Complaints is where receivers that follow
	// RFC 9477 send their reports.
	RelaySigns      bool   `toml:"relay_signs" json:"relay_signs"`
	Unauthenticated bool   `toml:"unauthenticated" json:"unauthenticated"`
	Complaints      string `toml:"complaints" json:"complaints"`
}

type dkimConfig struct {
	Selector string `toml:"selector" json:"selector"`
	KeyFile  string `toml:"key_file" json:"key_file"`
}

type namedConfig struct {
	ID   string `toml:"id" json:"id"`
	Name string `toml:"name" json:"name"`
}

// topicConfig is a topic, and what whoever chose it by themselves is welcomed with.
type topicConfig struct {
	ID      string `toml:"id" json:"id"`
	Name    string `toml:"name" json:"name"`
	About   string `toml:"about" json:"about,omitempty"`     // what it brings, in plain words, for those who choose
	Welcome string `toml:"welcome" json:"welcome,omitempty"` // a file like that of a campaign; empty: no welcome
}

// policyConfig is the first version of the policy; those after it are published.
type policyConfig struct {
	ID       string   `toml:"id" json:"id"`
	File     string   `toml:"file" json:"file"`
	Purposes []string `toml:"purposes" json:"purposes,omitempty"`
}

type mailboxConfig struct {
	Role         string `toml:"role" json:"role"`
	Address      string `toml:"address" json:"address"`
	URL          string `toml:"url" json:"url"`
	PasswordFile string `toml:"password_file" json:"password_file"`

	Auth  string      `toml:"auth" json:"auth,omitempty"` // password where empty
	OAuth oauthConfig `toml:"oauth" json:"oauth,omitzero"`
}

// oauthConfig says where access tokens come from.
type oauthConfig struct {
	TokenURL         string `toml:"token_url" json:"token_url"`
	ClientID         string `toml:"client_id" json:"client_id"`
	ClientSecretFile string `toml:"client_secret_file" json:"client_secret_file"`
	RefreshTokenFile string `toml:"refresh_token_file" json:"refresh_token_file"`
	Scope            string `toml:"scope" json:"scope"`
}

// inboxConfig says how a mail proves who wrote it.
type inboxConfig struct {
	VerifyDKIM        *bool  `toml:"verify_dkim" json:"verify_dkim"` // true where absent
	TrustedAuthservID string `toml:"trusted_authserv_id" json:"trusted_authserv_id"`
}

type deliveryConfig struct {
	RetryFirst string `toml:"retry_first" json:"retry_first"`
	AlertCap   *int   `toml:"alert_cap" json:"alert_cap"`
	// Of the readers whose server took a campaign, the part that may call it spam
	// before it stops itself, and how many have to.
	ComplaintRate  *float64 `toml:"complaint_rate" json:"complaint_rate"`
	ComplaintLeast *int     `toml:"complaint_least" json:"complaint_least"`
}

// backupConfig declares copies of the database that heed cannot see.
type backupConfig struct {
	Name  string `toml:"name" json:"name"`
	Cycle string `toml:"cycle" json:"cycle"`
}

// settings gives what the file says about the settings, as text.
func (f fileConfig) settings() map[string]string {
	values := map[string]string{}
	v := reflect.ValueOf(f)
	for i := range v.NumField() {
		if key := v.Type().Field(i).Tag.Get("toml"); v.Field(i).Kind() == reflect.Interface && !v.Field(i).IsNil() {
			values[key] = asText(v.Field(i).Interface())
		}
	}
	return values
}

// asText writes a value as it stands in the environment; of several, commas part
// them.
func asText(value any) string {
	several, is := value.([]any)
	if !is {
		return fmt.Sprint(value)
	}
	all := make([]string, len(several))
	for i, one := range several {
		all[i] = fmt.Sprint(one)
	}
	return strings.Join(all, ", ")
}

// readConfigFile reads the file. One that nobody asked for may be absent.
func readConfigFile(path string, asked bool) (f fileConfig, present bool, err error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !asked {
		return f, false, nil
	}
	if err != nil {
		return f, false, hinted(fmt.Errorf("reading the configuration: %w", err), "heed init writes one; --config or HEED_CONFIG names another place")
	}
	decoder := toml.NewDecoder(bytes.NewReader(raw)).DisallowUnknownFields()
	if err := decoder.Decode(&f); err != nil {
		return f, true, hinted(fmt.Errorf("the configuration %s cannot be used: %s", path, explainTOML(err)), "heed config example shows every key")
	}
	return f, true, nil
}

// explainTOML tells line, key and the likely meaning.
func explainTOML(err error) string {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) {
		var all []string
		for _, one := range unknown.Errors {
			all = append(all, explainUnknown(one))
		}
		return strings.Join(all, "; ")
	}
	var wrong *toml.DecodeError
	if errors.As(err, &wrong) {
		line, column := wrong.Position()
		text := strings.TrimPrefix(wrong.Error(), "toml: ")
		return fmt.Sprintf("line %d, column %d: %s", line, column, text)
	}
	return err.Error()
}

func explainUnknown(e toml.DecodeError) string {
	line, _ := e.Position()
	key := e.Key()
	name := key[len(key)-1]
	text := fmt.Sprintf("line %d: the key %s is unknown", line, strings.Join(key, "."))
	if near := nearest(name, knownKeys(key[:len(key)-1])); near != "" {
		text += fmt.Sprintf(", did you mean %s?", near)
	}
	return text
}

// knownKeys lists the keys of a table of the file.
func knownKeys(table []string) []string {
	t := reflect.TypeFor[fileConfig]()
	for _, name := range table {
		if t = fieldType(t, name); t == nil {
			return nil
		}
	}
	var keys []string
	for i := range t.NumField() {
		keys = append(keys, t.Field(i).Tag.Get("toml"))
	}
	return keys
}

// fieldType is the table behind a key, or behind each of a list of tables.
func fieldType(t reflect.Type, key string) reflect.Type {
	for i := range t.NumField() {
		f := t.Field(i).Type
		if t.Field(i).Tag.Get("toml") != key {
			continue
		}
		if f.Kind() == reflect.Slice {
			f = f.Elem()
		}
		if f.Kind() == reflect.Struct {
			return f
		}
	}
	return nil
}
