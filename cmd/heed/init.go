package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"heed/consent"
	"heed/mailer"
)

type initCommand struct {
	Domain        string `help:"Domain that you send from; it gets the DNS records." default:"example.com" placeholder:"DOMAIN"`
	From          string `help:"Address that you send from (news@DOMAIN)." placeholder:"ADDRESS"`
	Name          string `help:"Name that readers know you by (the domain)." placeholder:"NAME"`
	PostalAddress string `help:"Postal address for the footer, which the law wants under marketing." placeholder:"TEXT"`
	output
}

// Help tells what is made and shows an example.
func (initCommand) Help() string {
	return `Writes heed.toml, makes the keys of links and signatures under HEED_DATA/keys, and prints the DNS records to publish. Nothing that exists is overwritten.

Example: heed init --domain example.com --name "Example News" --postal-address "Example Ltd, 1 Harbour Street, 12345 Seatown"`
}

// dkimKinds are the two signatures: RSA for all receivers, Ed25519 beside it.
func dkimKinds() map[string]string { return map[string]string{"heed1": "rsa", "heed1e": "ed25519"} }

func dkimSelectors() []string { return []string{"heed1", "heed1e"} }

// initView is what was made.
type initView struct {
	Config string      `json:"config"`
	Keys   string      `json:"keys"`
	DNS    []dnsRecord `json:"dns"`
}

// dnsRecord is a TXT record to publish.
type dnsRecord struct {
	Name string `json:"name"`
	TXT  string `json:"txt"`
	Why  string `json:"why"`
}

// Run makes configuration and keys.
func (c *initCommand) Run(a *app) error {
	path := a.configPath()
	if _, err := os.Stat(path); err == nil {
		return hinted(fmt.Errorf("%s exists and is not overwritten", path), "heed config check looks at it; move it away to begin anew")
	}
	if err := c.complete(); err != nil {
		return err
	}
	data, err := a.dataFolder()
	if err != nil {
		return err
	}
	keys := (&config{Data: data}).keys()
	view := initView{Config: path, Keys: keys}
	if view.DNS, err = c.makeKeys(keys); err != nil {
		return err
	}
	text := c.file(path, keys)
	if a.flags.Data != nil {
		text = strings.Replace(text, `# data = "./heed-data" `, "data = "+tomlText(beside(path, data)), 1)
	}
	if err := writeNew(path, text); err != nil {
		return err
	}
	if _, err := a.store(); err != nil {
		a.note("note: the database does not open yet: %s", a.scrub(err))
	}
	return a.show(view, func() { a.sayInit(view) })
}

func (a *app) configPath() string {
	if a.flags.Config != nil {
		return *a.flags.Config
	}
	if path := a.env.get("HEED_CONFIG"); path != "" {
		return path
	}
	return "heed.toml"
}

// dataFolder is chosen before there is a file that could name it.
func (a *app) dataFolder() (string, error) {
	given, err := a.flags.table()[0].choose(a.env, nil)
	return given.value, err
}

// complete fills in what was not given, and refuses what would break the file.
func (c *initCommand) complete() error {
	if c.From == "" {
		c.From = "news@" + c.Domain
	}
	if c.Name == "" {
		c.Name = c.Domain
	}
	if c.PostalAddress == "" {
		c.PostalAddress = "PLEASE FILL IN: company, street, town"
	}
	if _, err := consent.Normalize(c.From); err != nil {
		return problem{exitUsage, fmt.Errorf("--from %q is %w", c.From, err), ""}
	}
	if _, err := consent.Normalize("postmaster@" + c.Domain); err != nil {
		return problem{exitUsage, fmt.Errorf("--domain %q is no domain", c.Domain), "write it like example.com"}
	}
	for _, text := range []string{c.Name, c.PostalAddress} {
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return problem{exitUsage, errors.New("name and postal address must each be on one line"), ""}
		}
	}
	return nil
}

// makeKeys makes the DKIM keys that are missing and gives the records.
func (c *initCommand) makeKeys(keys string) ([]dnsRecord, error) {
	var records []dnsRecord
	for _, selector := range dkimSelectors() {
		key, err := keepOrMake(dkimFile(keys, selector), dkimKinds()[selector])
		if err != nil {
			return nil, err
		}
		name, txt, err := mailer.DNSRecord(selector, c.Domain, key)
		if err != nil {
			return nil, err
		}
		records = append(records, dnsRecord{name, txt, "DKIM: receivers check the signatures with it"})
	}
	return append(records,
		dnsRecord{c.Domain, "v=spf1 mx ~all", "SPF: name the servers of your relay in place of mx; merge it with the record that you may have"},
		dnsRecord{"_dmarc." + c.Domain, "v=DMARC1; p=none; rua=mailto:postmaster@" + c.Domain, "DMARC: begin with p=none, go on to quarantine when the reports are clean"}), nil
}

func dkimFile(keys, selector string) string { return filepath.Join(keys, "dkim", selector+".pem") }

// keepOrMake reads a key, or makes it.
func keepOrMake(path, kind string) ([]byte, error) {
	key, err := os.ReadFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if key, err = mailer.GenerateKey(kind); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	return key, os.WriteFile(path, key, 0o600)
}

// writeNew writes a file that must not exist yet.
func writeNew(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// file is the example with this sender's values and keys.
func (c *initCommand) file(path, keys string) string {
	var dkim strings.Builder
	dkim.WriteString("dkim = [\n")
	for _, selector := range dkimSelectors() {
		fmt.Fprintf(&dkim, "  { selector = %q, key_file = %q },\n", selector, beside(path, dkimFile(keys, selector)))
	}
	dkim.WriteString("]\n")
	head, rest, _ := strings.Cut(exampleConfig, "# dkim = [\n")
	_, tail, _ := strings.Cut(rest, "# ]\n")
	text := strings.NewReplacer(`"Example News"`, tomlText(c.Name), `from = "news@example.com"`, "from = "+tomlText(c.From),
		`"Example Ltd, 1 Harbour Street, 12345 Seatown"`, tomlText(c.PostalAddress), `"bounces@example.com"`, tomlText("bounces@"+c.Domain),
		`domain = "example.com"`, "domain = "+tomlText(c.Domain), "example.com", c.Domain).Replace(head)
	return text + dkim.String() + strings.ReplaceAll(tail, "example.com", c.Domain)
}

// tomlText quotes a text without control characters as a basic string.
func tomlText(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

// beside gives a path as the configuration file at config should name it.
func beside(config, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	relative, err := filepath.Rel(filepath.Dir(config), path)
	if err != nil || filepath.IsAbs(config) {
		absolute, err := filepath.Abs(path)
		if err != nil {
			return path
		}
		return absolute
	}
	return relative
}

func (a *app) sayInit(v initView) {
	a.say("Wrote %s, and keys in %s. Keep a copy of the keys: without them no link in a sent mail works.", v.Config, v.Keys)
	a.say("\nPublish these DNS records:\n")
	for _, r := range v.DNS {
		a.say("; %s\n%s. IN TXT %s", r.Why, r.Name, zoneText(r.TXT))
	}
	a.say("\nNext:\n  1. read %s and fill in what is yours\n  2. set SMTP_URL and PUBLIC_URL\n  3. heed config check\n"+
		"  4. heed contact import people.csv\n  5. heed serve, and beside it: heed campaign new june.md; heed campaign start 1", v.Config)
}

// zoneText cuts a text into strings of at most 255 bytes (RFC 1035 §3.3).
func zoneText(text string) string {
	var pieces []string
	for len(text) > 250 {
		pieces, text = append(pieces, `"`+text[:250]+`"`), text[250:]
	}
	return strings.Join(append(pieces, `"`+text+`"`), " ")
}
