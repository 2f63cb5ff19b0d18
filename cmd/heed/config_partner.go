package main

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"heed/consent"
	"heed/store"
	"heed/worker"
)

// checkPartners looks at the partners who are given data. One without an id is
// only told about in the register.
func (c *config) checkPartners() (problems []error) {
	seen := map[string]bool{}
	for _, one := range c.System {
		seen[one.ID] = true
	}
	for i, one := range c.Partners {
		if err := c.checkPartner(one, seen); err != nil {
			problems = append(problems, fmt.Errorf("partner %d (%s): %w", i+1, one.Name, err))
		}
		seen[one.ID] = true
	}
	for i, one := range c.Processors {
		if one.gives() {
			problems = append(problems, fmt.Errorf("processor %d (%s): id, fields, file, url, mail and fetches are for a partner who is given data", i+1, one.Name))
		}
	}
	return problems
}

func (r recipientConfig) gives() bool {
	return r.ID != "" || len(r.Fields) > 0 || r.File != "" || r.URL != "" || r.SecretFile != "" || r.Mail != "" || r.Fetches
}

func (c *config) checkPartner(p recipientConfig, seen map[string]bool) error {
	switch {
	case !p.gives():
		return nil
	case !slug.MatchString(p.ID):
		return errors.New("needs an id of a-z, 0-9, dot, dash and underscore, at most 64, under which it is given data")
	case seen[p.ID]:
		return fmt.Errorf("the id %s stands there twice, among partners and systems", p.ID)
	}
	ways := 0
	for _, way := range []string{p.URL, p.Mail, p.System} {
		if way != "" {
			ways++
		}
	}
	if p.Fetches {
		ways++
	}
	if ways != 1 {
		return errors.New("needs exactly one of url, mail, system and fetches: who is given data has to be told when somebody withdraws")
	}
	for _, field := range p.Fields {
		if !slices.Contains(worker.FeedFields(), field) {
			return errors.New(meant("the field %q is not given to partners; fields are "+strings.Join(worker.FeedFields(), ", "), field, worker.FeedFields()))
		}
	}
	if p.Mail != "" {
		_, err := consent.Normalize(p.Mail)
		return err
	}
	if p.URL == "" {
		return nil
	}
	if p.SecretFile == "" {
		return errors.New("needs a secret_file: what it is told is signed")
	}
	return worker.CheckWebhookURL(p.URL)
}

// partners are those who are given data.
func (c *config) partners() (all []worker.Partner) {
	systems := c.systems()
	for _, one := range c.Partners {
		if one.ID == "" {
			continue
		}
		p := worker.Partner{System: one.asSystem(c), Fields: one.Fields, File: c.relative(one.File)}
		for _, system := range systems {
			if one.System != "" && system.ID == one.System {
				p.Webhook = system.Webhook
			}
		}
		all = append(all, p)
	}
	return all
}

// asSystem is how a partner with a way of its own is told.
func (r recipientConfig) asSystem(c *config) worker.System {
	s := worker.System{ID: r.ID, Name: r.Name, Mail: r.Mail, Fetches: r.Fetches}
	if r.URL != "" {
		u, err := url.Parse(r.URL)
		own := err == nil && loopback(u.Hostname())
		s.Webhook = worker.Webhook{URL: r.URL, SecretFile: c.relative(r.SecretFile), Public: !r.AllowPrivate && !own}
	}
	return s
}

// ownWay tells of a partner that is told of erasures by itself, and not by a
// system that stands in the configuration too.
func (r recipientConfig) ownWay() bool { return r.ID != "" && r.System == "" }

// planSharing adds to what the store knows of the configuration who is given data,
// and who knows which services people use.
func (c *config) planSharing(p *store.Plan) {
	for _, one := range c.Partners {
		if one.ID != "" {
			p.Partners = append(p.Partners, store.System{ID: one.ID, Name: one.Name})
		}
		if one.ownWay() {
			p.Systems = append(p.Systems, store.System{ID: one.ID, Name: one.Name})
		}
	}
	for _, one := range c.System {
		if one.Kind == "product" {
			p.Products = append(p.Products, store.System{ID: one.ID, Name: one.Name})
		}
	}
}

// partner finds one by its id.
func (c *config) partner(id string) (worker.Partner, error) {
	var ids []string
	for _, one := range c.partners() {
		if one.ID == id {
			return one, nil
		}
		ids = append(ids, one.ID)
	}
	return worker.Partner{}, problem{exitUsage, errors.New(meant("there is no partner %q who is given data", id, ids)), "heed sharing status lists them; [[partner]] in heed.toml names one with id, fields and url, mail or fetches"}
}

// partnerFields are what each partner is given beside the address, by its id.
func (c *config) partnerFields() map[string][]string {
	fields := map[string][]string{}
	for _, one := range c.partners() {
		fields[one.ID] = one.Fields
	}
	return fields
}
