package main

import (
	"bytes"
	"errors"
	"regexp"

	"heed/store"
	"heed/templates"
	"heed/web"
)

type signUpCommand struct {
	Form signUpFormCommand `cmd:"" help:"Print the form as HTML, to be put on another site."`
}

type signUpFormCommand struct {
	Lang string `help:"Language of the form." default:"en"`
	Name string `help:"What the ledger calls this form, such as shop-footer." default:"embedded"`
	output
}

// Help tells what it is and shows an example.
func (signUpFormCommand) Help() string {
	return `Plain HTML without script or style, which posts to PUBLIC_URL/s. What stands on it is kept word by word, as proof of what people agreed to: print it anew, and do not change its words, when topics or choices change.

Example: heed signup form --lang de --name shop-footer > form.html`
}

// formView is a form that was given out.
type formView struct {
	HTML    string `json:"html"`
	Wording string `json:"wording"`
	Mark    string `json:"mark"`
}

var formName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// Run keeps the wording and prints the form.
func (c *signUpFormCommand) Run(a *app) error {
	conf, s, err := a.both()
	switch {
	case err != nil:
		return err
	case !conf.SignUp.Open:
		return hinted(errors.New("there is no form: [signup] is not open"), "add [signup] with open = true to heed.toml; heed config example shows every key")
	case conf.PublicURL == "":
		return hinted(errors.New("another site needs to know where to post to: PUBLIC_URL is not set"), "set public_url in heed.toml")
	case !templates.Speaks(c.Lang):
		return problem{exitUsage, errors.New("there are no words in the language " + c.Lang), "heed speaks " + spokenList()}
	case !formName.MatchString(c.Name):
		return problem{exitUsage, errors.New("the name of a form is of a-z, 0-9, dot, dash and underscore, at most 64"), ""}
	}
	d, err := web.SignUpFormData(a.ctx, s, conf.SignUp.form(), conf.Sender.Name, c.Lang)
	if err != nil {
		return err
	}
	view := formView{Wording: templates.SignUpWording(d)}
	if view.Mark, err = s.KeepWording(a.ctx, view.Wording); err != nil {
		return err
	}
	d.Action, d.Texts, d.Source, d.Mark = conf.PublicURL+"/s", conf.PublicURL+"/v", c.Name, view.Mark
	var page bytes.Buffer
	if err := templates.SignUpEmbed(&page, d); err != nil {
		return err
	}
	view.HTML = page.String()
	return a.show(view, func() { a.say("%s", view.HTML) })
}

func spokenList() (text string) {
	for i, one := range templates.Languages() {
		if i > 0 {
			text += ", "
		}
		text += one
	}
	return text
}

type registeredCommand struct {
	Address   string   `arg:"" help:"E-mail address of the account."`
	Account   string   `help:"Id of the account in your product; each is confirmed once." required:"" placeholder:"ID"`
	FirstName string   `help:"First name."`
	LastName  string   `help:"Last name."`
	Language  string   `help:"Language, such as de." placeholder:"TAG"`
	Services  []string `help:"Services that they use, by id." name:"service" placeholder:"ID"`
	output
}

// Help tells the rule and shows an example.
func (registeredCommand) Help() string {
	return `Stores the person without a yes to anything, and mails the one confirmation that an account gets, also to somebody who opted out of newsletters; never to somebody erased or restricted. However often it is told, one mail goes out.

Example: heed contact registered ann@example.com --account 4711 --language de`
}

// Run tells the store.
func (c *registeredCommand) Run(a *app) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	r, err := s.RegisterAccount(a.ctx, store.Contact{Email: c.Address, ExternalID: c.Account, FirstName: c.FirstName, LastName: c.LastName,
		Language: c.Language, Services: c.Services})
	if err != nil {
		return err
	}
	return a.show(r, func() {
		switch {
		case r.Sent:
			a.say("a confirmation goes out")
		case r.Already:
			a.say("this account has had its confirmation")
		default:
			a.say("nobody may be written to: %s", r.Refused)
		}
	})
}
