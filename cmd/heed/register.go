package main

import (
	"fmt"

	"heed/inbox"
	"heed/store"
)

// recipientConfig is a processor or a partner: who gets people's data, and why.
type recipientConfig struct {
	Name     string `toml:"name" json:"name"`
	Purpose  string `toml:"purpose" json:"purpose"`
	Contract string `toml:"contract" json:"contract"`
	Contact  string `toml:"contact" json:"contact"`
	Country  string `toml:"country" json:"country"`
	System   string `toml:"system" json:"system"` // id of the connected system that is told of erasures

	// Of a partner who is given data: under which id, of which fields beside the
	// address, in which file, and how it is told that somebody shares no more.
	ID           string   `toml:"id" json:"id,omitempty"`
	Fields       []string `toml:"fields" json:"fields,omitempty"`
	File         string   `toml:"file" json:"file,omitempty"`
	URL          string   `toml:"url" json:"url,omitempty"`
	SecretFile   string   `toml:"secret_file" json:"secret_file,omitempty"`
	AllowPrivate bool     `toml:"allow_private" json:"allow_private,omitempty"`
	Mail         string   `toml:"mail" json:"mail,omitempty"`
	Fetches      bool     `toml:"fetches" json:"fetches,omitempty"` // what it is told, at the API
}

// checkRegister wants what a person who asks has to be told (GDPR Art. 13(1)(e),
// 28(3)): a processor without a contract may not work for anybody.
func (c *config) checkRegister() (problems []error) {
	for role, all := range map[string][]recipientConfig{store.RoleProcessor: c.Processors, store.RolePartner: c.Partners} {
		for i, one := range all {
			if one.Name == "" {
				problems = append(problems, fmt.Errorf("%s %d: needs a name", role, i+1))
				continue
			}
			for _, need := range []struct{ key, value string }{{"purpose", one.Purpose}, {"contract", one.Contract}, {"country", one.Country}} {
				if need.value == "" {
					problems = append(problems, hinted(fmt.Errorf("%s %s: needs a %s, which people who ask are told", role, one.Name, need.key),
						"heed config example shows a register"))
				}
			}
		}
	}
	return problems
}

// recipients is the register.
func (c *config) recipients() []store.Recipient {
	all := []store.Recipient{}
	for _, part := range []struct {
		role string
		all  []recipientConfig
	}{{store.RoleProcessor, c.Processors}, {store.RolePartner, c.Partners}} {
		for _, one := range part.all {
			all = append(all, store.Recipient{Role: part.role, Name: one.Name, Purpose: one.Purpose, Contract: one.Contract,
				Contact: one.Contact, Country: one.Country, System: one.System})
		}
	}
	return all
}

// about is what a copy of somebody's data tells beside the data.
func (c *config) about() store.About {
	contact := c.mailbox(inbox.RolePrivacy)
	if contact == "" {
		contact = c.Sender.From
	}
	return store.About{Controller: store.Controller{Name: c.Sender.Name, PostalAddress: c.Sender.PostalAddress, Contact: contact},
		Recipients: c.recipients(), Retention: c.Retention.told(), Authority: c.Law.Authority}
}

type registerCommand struct {
	List registerListCommand `cmd:"" help:"List who gets people's data, and why."`
}

type registerListCommand struct{ output }

// Help shows an example.
func (registerListCommand) Help() string {
	return "The register is written in heed.toml as [[processor]] and [[partner]]. Whoever asks for a copy of their data is told it.\n\nExample: heed register list --json"
}

// Run lists the recipients, one a line.
func (c *registerListCommand) Run(a *app) error {
	conf, err := a.config()
	if err != nil {
		return err
	}
	for _, one := range conf.recipients() {
		if err := a.show(one, func() { a.say("%-10s %-24s %-24s %s", one.Role, one.Name, one.Country, one.Purpose) }); err != nil {
			return err
		}
	}
	return nil
}
