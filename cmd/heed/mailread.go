package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"

	"heed/consent"
	"heed/inbox"
)

type mailCommand struct {
	Read mailReadCommand `cmd:"" help:"Say what each mail is, or asks for."`
}

type mailReadCommand struct {
	DKIM    bool     `name:"dkim" help:"Look public keys up and verify signatures, as of now; without it nothing is asked of the network."`
	Mailbox string   `help:"Role of the mailbox that it came to: unsubscribe, privacy, bounces, abuse or reply." default:"unsubscribe" placeholder:"ROLE"`
	Files   []string `arg:"" help:"Mails in RFC 5322 form."`
	output
}

// Help shows an example.
func (mailReadCommand) Help() string {
	return "Changes nothing. A line a file, also for those that cannot be read: they are for a person to review.\n\nExample: heed mail read --mailbox privacy --json mails/*.eml"
}

// maxMail is as much of a mail as is looked at: the reader has limits of its
// own below it.
const maxMail = 64 << 20

// mailView is how a mail was understood.
type mailView struct {
	File       string             `json:"file"`
	Class      string             `json:"class"`
	Classes    []string           `json:"classes"`
	Scope      string             `json:"scope"`  // what it stops: the first of
	Scopes     []string           `json:"scopes"` // all that it stops
	Language   string             `json:"language"`
	Recipients []string           `json:"recipients"` // of a bounce
	Status     string             `json:"status"`
	Hard       bool               `json:"hard"`
	Sure       float64            `json:"sure"`
	Evidence   []consent.Evidence `json:"evidence"`
}

// Run reads the mails one by one.
func (c *mailReadCommand) Run(a *app) error {
	if !slices.Contains(mailboxRoles(), c.Mailbox) {
		return problem{exitUsage, fmt.Errorf("the role %q is unknown", c.Mailbox), "roles are " + strings.Join(mailboxRoles(), ", ")}
	}
	conf, err := a.config()
	if err != nil {
		return err
	}
	r, err := a.mailReader(conf, c.Mailbox)
	if err != nil {
		return err
	}
	if c.DKIM {
		r.keys = &inbox.Keys{Lookup: net.DefaultResolver.LookupTXT}
	}
	out := bufio.NewWriterSize(a.out, 64<<10)
	talk := voice{out: out, err: a.err, json: a.json}
	err = r.each(c.Files, func(v mailView) error {
		return talk.show(v, func() { talk.say("%s: %s (%s)", v.File, strings.Join(v.Classes, ", "), reasons(v.Evidence)) })
	})
	return firstError(err, out.Flush())
}

// each reads files on all processors and gives what they say in their order.
func (m mailReader) each(files []string, tell func(mailView) error) error {
	next, done := make(chan chan mailView, 2*runtime.GOMAXPROCS(0)), make(chan struct{})
	defer close(done)
	go func() {
		defer close(next)
		for _, file := range files {
			read := make(chan mailView, 1)
			select {
			case next <- read:
				go func() { read <- m.read(file) }()
			case <-done:
				return
			}
		}
	}()
	for read := range next {
		if err := tell(<-read); err != nil {
			return err
		}
	}
	return nil
}

// mailReader knows our own links and addresses.
type mailReader struct {
	role   string
	ring   consent.Keyring
	ours   inbox.Ours
	topics map[int]string // ids by number
	keys   *inbox.Keys    // nil: no look-ups
}

// mailReader makes one; without a database it knows no links, and mails are
// read all the same.
func (a *app) mailReader(conf *config, role string) (mailReader, error) {
	r := mailReader{role: role, ring: consent.Keyring{}, ours: conf.ours(map[string]int{}, map[string]int{}), topics: map[int]string{}}
	for i, topic := range conf.Topics {
		r.knows(topic.Name, topic.ID, i+1)
	}
	if _, err := os.Stat(conf.keys()); errors.Is(err, os.ErrNotExist) {
		return r, nil
	}
	s, err := a.store()
	if err != nil {
		a.note("note: links of ours are not recognised: %s", a.scrub(err))
		return r, nil
	}
	topics, err := s.Topics(a.ctx)
	clear(r.ours.Topics)
	clear(r.ours.TopicIDs)
	for _, topic := range topics {
		r.knows(topic.Name, topic.ID, topic.Number)
	}
	r.ring = s.Keys().Links
	return r, err
}

func (m mailReader) knows(name, id string, number int) {
	m.ours.Topics[name], m.ours.TopicIDs[id], m.topics[number] = number, number, id
}

// read never fails: what cannot be read is for a person.
func (m mailReader) read(file string) (v mailView) {
	v = mailView{File: file, Scopes: []string{}, Recipients: []string{}, Evidence: []consent.Evidence{}}
	defer func() {
		if cause := recover(); cause != nil {
			v = unreadable(v, "reading it failed")
		}
	}()
	raw, err := readLimited(file)
	if err != nil {
		return unreadable(v, err.Error())
	}
	r := inbox.Read(raw, m.role, m.ring, m.ours)
	r.Evidence = append(r.Evidence, m.proof(raw)...)
	v.Class, v.Classes, v.Language, v.Sure = string(r.Kind), []string{string(r.Kind)}, r.Language, r.Sure
	for _, also := range r.Also {
		v.Classes = append(v.Classes, string(also))
	}
	v.Scope = scopeName(r.Scope, m.topics)
	for _, scope := range r.Stops() {
		v.Scopes = append(v.Scopes, scopeName(scope, m.topics))
	}
	v.Evidence = append(v.Evidence, r.Evidence...)
	for _, b := range r.Bounces {
		v.Recipients = append(v.Recipients, b.Recipient)
		v.Hard = v.Hard || b.Hard
		if v.Status == "" || b.Hard {
			v.Status = b.Status
		}
	}
	return v
}

// proof says who wrote the mail, where it proves that. When it came is not
// known, and taken from its own date.
func (m mailReader) proof(raw []byte) []consent.Evidence {
	if m.keys == nil && m.ours.Trusted == "" {
		return nil
	}
	return inbox.Prove(raw, inbox.Written(raw), m.ours, m.keys).Evidence
}

func unreadable(v mailView, why string) mailView {
	v.Class, v.Classes = string(consent.KindReview), []string{string(consent.KindReview)}
	v.Evidence = []consent.Evidence{{Rule: "unreadable", Text: why}}
	return v
}

func readLimited(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxMail))
}

func scopeName(s consent.Scope, topics map[int]string) string {
	if number, is := s.Topic(); is && topics[number] != "" {
		return "topic:" + topics[number]
	}
	return string(s)
}

func reasons(all []consent.Evidence) string {
	var rules []string
	for _, one := range all {
		rules = append(rules, one.Rule)
	}
	return strings.Join(rules, ", ")
}

// ours says how our own mail is told from other people's.
func (c *config) ours(topics, ids map[string]int) inbox.Ours {
	o := inbox.Ours{Domain: c.domain(), Topics: topics, TopicIDs: ids, Trusted: c.Inbox.TrustedAuthservID}
	for _, address := range append([]string{c.Sender.From, c.Sender.ReturnPath}, mailboxAddresses(c.Mailbox)...) {
		if normal, err := consent.Normalize(address); err == nil && !slices.Contains(o.Addresses, normal) {
			o.Addresses = append(o.Addresses, normal)
		}
	}
	return o
}

func mailboxAddresses(boxes []mailboxConfig) (all []string) {
	for _, box := range boxes {
		all = append(all, box.Address)
	}
	return all
}
