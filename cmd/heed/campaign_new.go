package main

import (
	"errors"
	"fmt"
	"io"
	"net/mail"
	"strings"

	"heed/consent"
	"heed/store"
	"heed/templates"
)

// maxFile bounds a campaign file; the text in it is bounded further.
const maxFile = 1 << 20

type campaignNewCommand struct {
	File string `arg:"" help:"Markdown with front matter; - for standard input."`
	output
}

// Help tells the form and shows an example.
func (campaignNewCommand) Help() string {
	return `Front matter: name, subject, preheader, topic, class (newsletter | partner_offer | policy_notice | consent_request), audience (all or an expression), from, schedule, time_zone, start_by, rate, language, purpose (people whose version of the policy does not name it are skipped), policy (the version that a notice or a request is about). With schedule the draft is scheduled at once.

Example: heed campaign new june.md --json`
}

// Run stores the file as a draft, or as scheduled where it says when.
func (c *campaignNewCommand) Run(a *app) error {
	source, err := readFile(c.File)
	if err != nil {
		return err
	}
	parsed, err := templates.ParseCampaign(source)
	if err != nil {
		return fmt.Errorf("reading %s: %w", c.File, err)
	}
	conf, s, err := a.both()
	if err != nil {
		return err
	}
	campaign, err := a.draft(conf, s, parsed, source)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	id, _, err := s.AddCampaign(a.ctx, campaign)
	if err != nil {
		return err
	}
	misfit := error(nil)
	if !parsed.Schedule.IsZero() {
		campaign.ID = id
		if misfit = a.fit(s, campaign, false); misfit == nil {
			err = refusal(s.Schedule(a.ctx, id, parsed.Schedule, parsed.StartBy))
		}
	}
	return firstError(err, a.tellState(s, id, nil), misfit)
}

func readFile(path string) ([]byte, error) {
	file, err := openInput(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s is longer than a megabyte", path)
	}
	return text, nil
}

// draft checks a parsed file against the configuration, as far as one can
// without looking at people.
func (a *app) draft(conf *config, s *store.Store, parsed templates.Campaign, source []byte) (store.Campaign, error) {
	campaign := store.Campaign{Name: parsed.Name, Class: parsed.Class, Source: string(source), Audience: parsed.Audience,
		Rate: parsed.Rate, StartBy: parsed.StartBy, Purpose: parsed.Purpose, Policy: parsed.Policy, Notice: parsed.Notice}
	service := ""
	if err := a.checkPolicy(s, parsed); err != nil {
		return campaign, err
	}
	if parsed.Topic != "" {
		topic, err := topicByID(a, s, parsed.Topic)
		if err != nil {
			return campaign, err
		}
		campaign.Topic = topic.Number
	}
	if parsed.Service != "" {
		services, err := s.Services(a.ctx)
		if err != nil {
			return campaign, err
		}
		one, err := findNamed(services, parsed.Service, "service")
		if err != nil {
			return campaign, err
		}
		campaign.Service, service = one.Number, one.Name
	}
	if err := firstError(conf.canSend(), conf.checkFrom(parsed.From)); err != nil {
		return campaign, err
	}
	content, err := templates.Compile(parsed, conf.layout(service))
	if err != nil {
		return campaign, advertising(err)
	}
	for _, warning := range content.Warnings() {
		a.note("note: %s", warning)
	}
	return campaign, nil
}

func (c *config) layout(service string) templates.LayoutData {
	return templates.LayoutData{Sender: c.Sender.Name, PostalAddress: c.Sender.PostalAddress, PrivacyContact: c.mailbox("privacy"), ServiceName: service, Language: c.Sender.Language}
}

// checkFrom wants the domain that the signatures are for: another one fails
// alignment (RFC 7489 §3.1) and lands in the spam folder at best.
func (c *config) checkFrom(from string) error {
	if from == "" {
		return nil
	}
	address, err := mail.ParseAddress(from)
	if err != nil {
		return fmt.Errorf("from: %w", err)
	}
	normal, err := consent.Normalize(address.Address)
	if err != nil {
		return fmt.Errorf("from: %w", err)
	}
	_, domain, _ := strings.Cut(normal, "@")
	own := strings.ToLower(c.domain())
	if domain == own || strings.HasSuffix(domain, "."+own) || strings.HasSuffix(own, "."+domain) {
		return nil
	}
	return hinted(fmt.Errorf("from: %s is not a domain of this sender, which is %s", domain, own), "write from an address of sender.domain, or leave from out")
}

// compiled is a stored campaign with its text.
type compiled struct {
	store.Campaign
	parsed templates.Campaign
	words  *templates.Content
	topic  store.Named
}

// compile makes the text of a stored campaign, as the worker will.
func (a *app) compile(s *store.Store, campaign store.Campaign) (compiled, error) {
	c := compiled{Campaign: campaign}
	conf, err := a.config()
	if err != nil {
		return c, err
	}
	if c.parsed, err = templates.ParseAs(campaign.Class, []byte(campaign.Source)); err != nil {
		return c, err
	}
	topics, err1 := s.Topics(a.ctx)
	services, err2 := s.Services(a.ctx)
	if err := errors.Join(err1, err2); err != nil {
		return c, err
	}
	c.topic = byNumber(topics, campaign.Topic)
	c.words, err = templates.Compile(c.parsed, conf.layout(byNumber(services, campaign.Service).Name))
	return c, err
}

func byNumber(all []store.Named, number int) store.Named {
	for _, one := range all {
		if one.Number == number {
			return one
		}
	}
	return store.Named{}
}
