package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"heed/consent"
	"heed/store"
)

// own are the steps that are the person's own affirmative act.
var own = []string{"click", "page", "centre", "undo"}

// steps are the ways on which something is written down about a person, by whoever.
var steps = map[string]func(*play) error{
	"import": func(p *play) error {
		_, err := p.Import(context.Background(), []store.Contact{{Row: 2, Email: p.email(), Topics: p.topics(), PartnerOffers: p.r.IntN(2) == 0, Sharing: p.r.IntN(2) == 0,
			ConsentAt: p.sometime(), ConsentSource: "list", ConsentText: "yes", ExternalID: fmt.Sprint("x", p.r.Int64())}}, "file", p.r.IntN(4) == 0)
		return err
	},
	"api": func(p *play) error {
		_, _, err := p.Choose(context.Background(), p.key(p.email()), nil, []consent.Scope{p.scope(), p.scope()}, store.Agreement{At: p.sometime(), Source: "account", Text: "yes"}, *p.now)
		return err
	},
	"api no": func(p *play) error {
		_, _, err := p.Choose(context.Background(), p.key(p.email()), []consent.Scope{p.scope()}, nil, store.Agreement{}, *p.now)
		return err
	},
	"optout": func(p *play) error {
		via := []consent.Via{consent.ViaPage, consent.ViaOneClick, consent.ViaStaff, consent.ViaSpamReport, consent.ViaAPI}[p.r.IntN(5)]
		_, err := p.OptOut(context.Background(), store.OptOut{Key: p.key(p.email()), Scope: p.scope(), Received: p.sometime(), Via: via, Authenticated: p.r.IntN(2) == 0})
		return err
	},
	"mail": func(p *play) error {
		email, scope := p.email(), p.scope()
		r := consent.Request{Kind: consent.KindUnsubscribe, Scope: scope, From: email, Language: "en", Sure: 0.9, Authenticated: p.r.IntN(2) == 0}
		n := mailNumber.Add(1)
		_, err := p.RecordMail(context.Background(), store.Inbound{Mailbox: "u", Role: "unsubscribe", Validity: 1, UID: n, Digest: fmt.Sprint("d", n),
			MessageID: fmt.Sprintf("<%d@example.net>", n), Received: p.sometime(), Request: r})
		if err != nil {
			return err
		}
		all, err := p.Letters(context.Background(), p.key(email))
		for _, one := range all {
			if one.Undo != 0 {
				l, err := p.Keys().Links.Open(p.UndoToken(p.key(email), one.Undo))
				if err != nil {
					return err
				}
				p.undos = append(p.undos, l)
			}
		}
		return err
	},
	"undo": func(p *play) error {
		if len(p.undos) == 0 {
			return nil
		}
		_, err := p.Undo(context.Background(), p.undos[p.r.IntN(len(p.undos))])
		return err
	},
	"suppress": func(p *play) error {
		_, _, err := p.Suppress(context.Background(), []store.Suppression{{Row: 2, Email: p.email(), Scope: []string{"all", "topic:product"}[p.r.IntN(2)], At: p.sometime(), Source: "list"}})
		return err
	},
	"form": func(p *play) error {
		f := form(p.email(), append(p.topics(), "product")...)
		f.PartnerOffers, f.Sharing, f.Network = p.r.IntN(2) == 0, p.r.IntN(2) == 0, fmt.Sprint("n", p.r.Int64())
		if err := p.SignUp(context.Background(), f); err != nil {
			return err
		}
		all, err := p.Letters(context.Background(), p.key(f.Email))
		for _, one := range all {
			if one.Kind == store.WriteSignUp && one.Change != 0 {
				l, err := p.Keys().Links.Open(p.SignUpToken(p.key(f.Email), one.Change))
				if err != nil {
					return err
				}
				p.links = append(p.links, l)
			}
		}
		return err
	},
	"click": func(p *play) error {
		if len(p.links) == 0 {
			return nil
		}
		_, err := p.ConfirmSignUp(context.Background(), p.links[p.r.IntN(len(p.links))], store.Click{Received: *p.now})
		return err
	},
	"page": func(p *play) error { return p.OwnYes(context.Background(), p.key(p.email()), p.scope()) },
	"centre": func(p *play) error { // the page of choices, behind a link that was mailed to the address
		choice := []consent.Choice{consent.In, consent.Out}[p.r.IntN(2)]
		_, err := p.RecordWishes(context.Background(), store.Choosing{Key: p.key(p.email()), Received: *p.now, Wording: "my choice",
			Wishes: []store.Wish{{Scope: p.scope(), Choice: choice, Sure: p.r.IntN(2) == 0}}})
		return err
	},
	"publish": func(p *play) error {
		p.n++
		v := store.Publication{PolicyVersion: consent.NewPolicyVersion(fmt.Sprintf("v%d-%d", p.r.Int64N(1<<40), p.n), []byte("x")), Material: p.r.IntN(2) == 0}
		_, err := p.PublishPolicy(context.Background(), v)
		*p.now = p.now.Add(store.PolicyNotice / 4)
		if err == nil || errors.Is(err, store.ErrRefused) {
			_, err = p.ActivatePolicy(context.Background())
		}
		return err
	},
	"agree": func(p *play) error {
		_, v, err := p.PolicyNow(context.Background())
		if err != nil || v.ID == "" {
			return err
		}
		l, err := p.Keys().Links.Open(p.AgreeToken(p.key(p.email()), v))
		if err != nil {
			return err
		}
		_, err = p.Agree(context.Background(), l, store.Click{})
		return err
	},
	"move": func(p *play) error {
		c, err := p.MoveContact(context.Background(), p.email(), p.email(), 0, "kim")
		for _, half := range []consent.Key{c.Old, c.New} {
			if err != nil {
				return err
			}
			l, failed := p.Keys().Links.Open(p.Half(c, half))
			if failed != nil {
				return failed
			}
			_, err = p.ConfirmMove(context.Background(), l)
		}
		return err
	},
	"account": func(p *play) error {
		_, err := p.RegisterAccount(context.Background(), store.Contact{Email: p.email(), ExternalID: fmt.Sprint("a", p.r.Int64())})
		return err
	},
	"bounce": func(p *play) error { return p.Strike(context.Background(), p.key(p.email())) },
	"case": func(p *play) error { // a deletion, a copy, or one that is closed again by staff
		kind := []consent.CaseKind{consent.CaseErasure, consent.CaseAccess, consent.CaseObjection}[p.r.IntN(3)]
		id, err := p.OpenCase(context.Background(), store.Report{Kind: kind, Email: p.email(), Mailbox: "desk"})
		if err != nil {
			return err
		}
		if p.r.IntN(2) == 0 || kind == consent.CaseObjection {
			_, err = p.Resolve(context.Background(), id, store.Resolution{Outcome: "done by hand", By: "kim"})
			return err
		}
		c, err := p.Case(context.Background(), id)
		if err != nil {
			return err
		}
		token, err := p.ConfirmLink(c)
		if err != nil {
			return err
		}
		l, err := p.Keys().Links.Open(token)
		if err != nil {
			return err
		}
		if _, err = p.Confirm(context.Background(), l); err != nil || kind != consent.CaseErasure {
			return err
		}
		return p.Erase(context.Background(), id)
	},
	"backup": func(p *play) error {
		p.n++
		file := filepath.Join(p.t.TempDir(), fmt.Sprint("backup", p.n))
		states := p.states()
		_, err := p.Backup(context.Background(), file)
		p.backups = append(p.backups, backedUp{file, states})
		return err
	},
	"restore": func(p *play) error { // an older copy comes back, and the next start replays the journal
		if p.copied = p.states(); len(p.backups) == 0 {
			return nil
		}
		one := p.backups[p.r.IntN(len(p.backups))]
		if err := errors.Join(p.TendJournal(context.Background()), p.Close()); err != nil {
			return err
		}
		_, err := store.Restore(context.Background(), p.o, one.file)
		p.copied = one.states
		return errors.Join(err, p.open())
	},
	"takeover": func(p *play) error { // of a business whose people are partly ours
		bundle, fingerprint, err := p.bundle()
		if err != nil {
			return err
		}
		_, err = p.ImportTransfer(context.Background(), bundle, fingerprint, store.StaffAct{Staff: "kim"})
		return err
	},
	"time": func(p *play) error {
		*p.now = p.now.Add(time.Duration(p.r.IntN(60)) * time.Hour)
		_, err := p.ExpireSignUps(context.Background())
		return err
	},
}
