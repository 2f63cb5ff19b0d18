package main

import (
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"heed/store"
)

type configCommand struct {
	Print   configPrintCommand   `cmd:"" help:"Show each setting and where it comes from, passwords hidden."`
	Example configExampleCommand `cmd:"" help:"Print a commented heed.toml with every key."`
	Check   configCheckCommand   `cmd:"" help:"Check the configuration and the files that it names."`
}

//go:embed example.toml
var exampleConfig string

type configExampleCommand struct{ output }

// Help shows an example.
func (configExampleCommand) Help() string { return "Example: heed config example > heed.toml" }

// Run prints the example.
func (c *configExampleCommand) Run(a *app) error {
	return a.show(map[string]string{"example": exampleConfig}, func() { fmt.Fprint(a.out, exampleConfig) })
}

type configPrintCommand struct{ output }

// Help shows an example.
func (configPrintCommand) Help() string { return "Example: heed config print" }

// settingView is one setting.
type settingView struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	From  string `json:"from"` // flag, a variable's name, file, default
}

// configView is the whole configuration without its secrets.
type configView struct {
	File      string          `json:"file"`
	Settings  []settingView   `json:"settings"`
	Sender    senderConfig    `json:"sender"`
	Topics    []topicConfig   `json:"topics"`
	Services  []namedConfig   `json:"services"`
	Policy    policyConfig    `json:"policy"`
	SignUp    signUpConfig    `json:"signup"`
	Mailboxes []mailboxConfig `json:"mailboxes"`

	Relays []relayView   `json:"relays"`
	Limits []limitConfig `json:"limits"`
	Pace   paceConfig    `json:"pace"`

	Inbox     inboxConfig      `json:"inbox"`
	Delivery  deliveryConfig   `json:"delivery"`
	Law       lawConfig        `json:"law"`
	Alarm     alarmConfig      `json:"alarm"`
	Retention retentionConfig  `json:"retention"`
	Backups   []backupConfig   `json:"backups"`
	Systems   []systemConfig   `json:"systems"`
	Webhooks  []webhookConfig  `json:"webhooks"`
	API       apiConfig        `json:"api"`
	Providers []providerConfig `json:"providers"`

	Register []store.Recipient `json:"register"`
}

// Run prints the configuration.
func (c *configPrintCommand) Run(a *app) error {
	conf, err := a.config()
	if err != nil {
		return err
	}
	v := configView{File: conf.Path, Sender: conf.Sender, Topics: conf.Topics, Services: conf.Services, Policy: conf.Policy, SignUp: conf.SignUp, Mailboxes: conf.Mailbox,
		Inbox: conf.Inbox, Delivery: conf.Delivery, Law: conf.Law, Alarm: conf.Alarm, Retention: conf.Retention,
		Relays: conf.relayViews(), Limits: conf.Limit, Pace: conf.Pace, Backups: conf.Backup, Systems: conf.System, Webhooks: conf.Webhook, API: conf.API, Providers: conf.Provider, Register: conf.recipients()}
	for _, s := range a.flags.table() {
		one := settingView{s.env, conf.From[s.env].value, conf.From[s.env].from}
		if s.secret && one.Value != "" {
			one.Value = redacted(one.Value)
		}
		v.Settings = append(v.Settings, one)
	}
	return a.show(v, func() { a.sayConfig(v) })
}

func (a *app) sayConfig(v configView) {
	file := v.File
	if file == "" {
		file = "none"
	}
	a.say("file %s", file)
	for _, s := range v.Settings {
		a.say("%-17s %-40s (%s)", s.Name, s.Value, s.From)
	}
	a.say("sender            %s <%s>, %d DKIM keys, return path %s", v.Sender.Name, v.Sender.From, len(v.Sender.DKIM), v.Sender.ReturnPath)
	for _, one := range v.Topics {
		a.say("topic             %s (%s)%s", one.ID, one.Name, welcomedBy(one))
	}
	for _, one := range v.Services {
		a.say("service           %s (%s)", one.ID, one.Name)
	}
	for _, one := range v.Mailboxes {
		a.say("mailbox           %s %s at %s", one.Role, one.Address, redacted(one.URL))
	}
	a.say("sign-up           %s", v.SignUp.told())
	a.sayWays(v)
	a.sayDuties(v)
}

// relayView is a relay without its password.
type relayView struct {
	relayConfig
	URL string `json:"url,omitempty"`
}

func (c *config) relayViews() []relayView {
	all := []relayView{}
	for _, one := range c.Relay {
		all = append(all, relayView{one, redacted(one.URL)})
	}
	return all
}

// sayWays prints by which ways mail goes, and how fast.
func (a *app) sayWays(v configView) {
	for _, one := range v.Relays {
		classes := "everything"
		if len(one.Classes) > 0 {
			classes = strings.Join(one.Classes, ", ")
		}
		a.say("relay             %s at %s, weight %d, for %s%s", one.Name, cmp.Or(one.URL, "the address in "+one.URLFile), max(1, orZero(one.Weight)), classes,
			bounds(one.Rate, one.Connections, one.WarmUp))
	}
	for _, one := range v.Limits {
		a.say("limit             %s%s", strings.Join(append([]string{one.Group}, one.Domains...), ", "), bounds(one.Rate, one.Connections, one.WarmUp))
	}
	if v.Pace.ByMX {
		a.say("pace              domains are grouped by their mail servers too")
	}
}

func bounds(rate any, connections *int, plan []int) (text string) {
	if rate != nil {
		text += fmt.Sprintf(", rate %v", rate)
	}
	if connections != nil {
		text += fmt.Sprintf(", at most %d connections over all workers", *connections)
	}
	if len(plan) > 0 {
		text += fmt.Sprintf(", warm-up %v a day", plan)
	}
	return text
}

// sayDuties prints what is promised to people, and who else is told.
func (a *app) sayDuties(v configView) {
	for _, one := range v.Backups {
		a.say("backup            %s, gone after %s", one.Name, one.Cycle)
	}
	for _, one := range v.Systems {
		a.say("system            %s (%s), a %s at %s", one.ID, one.Name, one.Kind, redacted(one.URL))
	}
	for _, one := range v.Register {
		a.say("%-17s %s, %s: %s", one.Role, one.Name, one.Country, one.Purpose)
	}
	a.say("law               profile %s", cmp.Or(v.Law.Profile, "strictest"))
	a.say("alarm             webhook %s, mail %s", cmp.Or(redacted(v.Alarm.Webhook), "none"), cmp.Or(v.Alarm.Mail, "none"))
	a.say("retention         mails %s, tray %s, deliveries %s, results %s, cases %s", cmp.Or(v.Retention.Mails, "for ever"), cmp.Or(v.Retention.Tray, "for ever"),
		cmp.Or(v.Retention.Deliveries, "for ever"), cmp.Or(v.Retention.Results, "for ever"), cmp.Or(v.Retention.Cases, "for ever"))
}

type configCheckCommand struct{ output }

// Help tells the exit code and shows an example.
func (configCheckCommand) Help() string {
	return "Exit code 3 where problems were found. Asks no server.\n\nExample: heed config check"
}

// Run checks the configuration and what it names.
func (c *configCheckCommand) Run(a *app) error {
	conf, err := a.config()
	if err != nil {
		return problem{exitFound, err, hintOf(err)}
	}
	problems := conf.problems()
	if len(conf.Topics) == 0 {
		problems = append(problems, errors.New("there is no [[topic]]: newsletters need one"))
	}
	if err := errors.Join(problems...); err != nil {
		return problem{exitFound, errors.New(strings.ReplaceAll(err.Error(), "\n", "; ")), hintOf(err)}
	}
	for _, advice := range []string{conf.alarmAdvice(), conf.retentionAdvice(), conf.backupAdvice(), conf.reportAdvice()} {
		if advice != "" && !a.json {
			a.note("%s", advice)
		}
	}
	return a.show(map[string]bool{"ok": true}, func() { a.say("the configuration is fine") })
}

func hintOf(err error) string {
	var p problem
	if errors.As(err, &p) {
		return p.hint
	}
	return "heed config example shows every key"
}
