package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"heed/consent"
	"heed/store"
	"heed/templates"
)

type campaignPreviewCommand struct {
	one
	For  string `help:"Whose message to show; without it the first person who would get it." placeholder:"ADDRESS"`
	HTML bool   `name:"html" help:"Print the HTML part, not the text part."`
	Out  string `help:"Write preview.html and preview.txt into this folder." placeholder:"DIR" type:"path"`
}

// Help shows examples.
func (campaignPreviewCommand) Help() string {
	return "The links in a preview lead nowhere and stop nothing.\n\nExamples: heed campaign preview 12 --for ann@example.com\n          heed campaign preview 12 --out ."
}

// previewView is one person's message.
type previewView struct {
	To      string `json:"to"`
	Subject string `json:"subject"`
	Text    string `json:"text"`
	HTML    string `json:"html"`
}

// Run prints or writes the message.
func (c *campaignPreviewCommand) Run(a *app) error {
	s, campaign, err := c.open(a)
	if err != nil {
		return err
	}
	content, err := a.compile(s, campaign)
	if err != nil {
		return err
	}
	p, err := a.reader(s, campaign, c.For)
	if err != nil {
		return err
	}
	v, err := a.render(content, p)
	if err != nil {
		return err
	}
	if c.Out != "" {
		return a.writePreview(v, c.Out)
	}
	return a.show(v, func() {
		if c.HTML {
			a.say("%s", v.HTML)
			return
		}
		a.say("To: %s\nSubject: %s\n\n%s", v.To, v.Subject, v.Text)
	})
}

func (a *app) writePreview(v previewView, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for name, text := range map[string]string{"preview.html": v.HTML, "preview.txt": "Subject: " + v.Subject + "\n\n" + v.Text} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			return fmt.Errorf("writing the preview: %w", err)
		}
	}
	return a.show(v, func() { a.say("wrote %s and preview.txt beside it", filepath.Join(folder, "preview.html")) })
}

// reader finds the person whose message is shown.
func (a *app) reader(s *store.Store, campaign store.Campaign, address string) (store.Person, error) {
	if address == "" {
		return a.firstReader(s, campaign)
	}
	key, email, err := s.Key(address)
	if err != nil {
		return store.Person{}, err
	}
	p, known, err := s.PersonByKey(a.ctx, key)
	if err == nil && !known {
		err = fmt.Errorf("nobody is stored under %s", email)
	}
	return p, err
}

// firstReader is the first who would get it, else the first in the audience.
func (a *app) firstReader(s *store.Store, campaign store.Campaign) (first store.Person, err error) {
	sure := false
	err = s.Estimate(a.ctx, campaign, func(p store.Person, reason consent.Reason) {
		if !sure && (reason == "" || first.ID == 0) {
			first, sure = p, reason == ""
		}
	})
	if err == nil && first.ID == 0 {
		err = hinted(errors.New("nobody is in the audience"), "heed contact import stores people; --for names one")
	}
	return first, err
}

// render makes one person's message. Its links are samples, so that nobody who
// reviews a text stops a stranger's mail.
func (a *app) render(c compiled, p store.Person) (previewView, error) {
	base := a.loaded.linkBase()
	mark := p.State.Consent(c.Message())
	links := templates.Links{Unsubscribe: base + "/u/preview", Preferences: base + "/p/preview", Unused: base + "/n/preview", Policy: base + "/v",
		Reason: templates.Reason{Topic: c.topic.Name, Source: mark.Source}}
	if mark.At != 0 {
		links.Reason.At = mark.Time()
	}
	v := previewView{To: p.Email}
	s, err := a.store()
	if err != nil {
		return v, err
	}
	lists, err := s.Lists(a.ctx, []store.Person{p})
	if err != nil {
		return v, err
	}
	reader := personOf(p, lists)
	if v.Subject, err = c.words.Subject(reader); err != nil {
		return v, err
	}
	v.Text, v.HTML, err = c.words.Full(reader, links)
	return v, err
}
