package main

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"heed/store"
	"heed/web"
	"heed/worker"
)

// webhookConfig is a server that is told of what happens.
type webhookConfig struct {
	ID           string   `toml:"id" json:"id"`
	URL          string   `toml:"url" json:"url"`
	SecretFile   string   `toml:"secret_file" json:"secret_file"`
	Events       []string `toml:"events" json:"events"`
	AllowPrivate bool     `toml:"allow_private" json:"allow_private"`
	Test         bool     `toml:"test" json:"test"` // told of the sandbox, and of nobody real
}

// providerConfig is a mail provider that tells us what became of messages.
type providerConfig struct {
	Kind       string `toml:"kind" json:"kind"`
	SecretFile string `toml:"secret_file" json:"secret_file"`
}

// apiConfig bounds what programs may do.
type apiConfig struct {
	Rate float64 `toml:"rate" json:"rate"`
}

func (c *config) checkDoors() (problems []error) {
	seen := map[string]bool{}
	for i, one := range c.Webhook {
		if err := one.check(seen); err != nil {
			problems = append(problems, fmt.Errorf("webhook %d (%s): %w", i+1, one.ID, err))
		}
	}
	for i, one := range c.Provider {
		err := oneOf("kind", one.Kind, web.ProviderKinds())
		if err == nil && one.SecretFile == "" {
			err = errors.New("needs a secret_file, by which its events are known")
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("provider %d: %w", i+1, err))
		}
	}
	if c.API.Rate < 0 || c.API.Rate > 1e6 || c.API.Rate != c.API.Rate {
		problems = append(problems, errors.New("api.rate must be a number of requests a second, 0 for 50"))
	}
	return problems
}

func (w webhookConfig) check(seen map[string]bool) error {
	switch {
	case !slug.MatchString(w.ID):
		return errors.New("its id must be of a-z, 0-9, dot, dash and underscore, at most 64")
	case seen[w.ID]:
		return errors.New("it stands there twice")
	case w.SecretFile == "":
		return errors.New("needs a secret_file: what it is told is signed")
	case len(w.Events) == 0:
		return fmt.Errorf("needs events, some of %s", strings.Join(store.HookEvents(), ", "))
	}
	seen[w.ID] = true
	for _, one := range w.Events {
		if err := oneOf("event", one, store.HookEvents()); err != nil {
			return err
		}
	}
	if err := worker.CheckWebhookURL(w.URL); err != nil {
		return err
	}
	return inner(w.URL, w.AllowPrivate)
}

// inner refuses what would never be called. A name is looked at when it is called:
// what it leads to may change.
func inner(address string, allowed bool) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	ip, err := netip.ParseAddr(u.Hostname())
	if err == nil && !allowed && (ip.IsPrivate() || ip.IsLinkLocalUnicast()) {
		return errors.New("its address is one of an inner network, which is called only with allow_private = true")
	}
	return nil
}

// hooks is what the store needs to know of webhooks: those of the sandbox, or
// those that are told of real people.
func (c *config) hooks(test bool) (all []store.Hook) {
	for _, one := range c.Webhook {
		if one.Test == test {
			all = append(all, store.Hook{ID: one.ID, Events: one.Events})
		}
	}
	return all
}

// webhooks is what the worker needs to call them.
func (c *config) webhooks(test bool) map[string]worker.Webhook {
	all := map[string]worker.Webhook{}
	for _, one := range c.Webhook {
		if one.Test == test {
			all[one.ID] = one.called(c)
		}
	}
	return all
}

func (w webhookConfig) called(c *config) worker.Webhook {
	u, err := url.Parse(w.URL)
	own := err == nil && loopback(u.Hostname())
	return worker.Webhook{URL: w.URL, SecretFile: c.relative(w.SecretFile), Public: !w.AllowPrivate && !own}
}

// checkWebhooks looks at the secrets, which are read again for every call.
func (c *config) checkWebhooks() (problems []error) {
	for _, one := range c.Webhook {
		if _, err := one.called(c).Secrets(); err != nil {
			problems = append(problems, hinted(fmt.Errorf("webhook %s: %w", one.ID, err), "write whsec_ and the base64 of 32 random bytes into its secret_file"))
		}
	}
	return problems
}

func (c *config) webhookIDs() (ids []string) {
	for _, one := range c.Webhook {
		ids = append(ids, one.ID)
	}
	return slices.Sorted(slices.Values(ids))
}

// testHook tells whether a webhook is one of the sandbox.
func (c *config) testHook(id string) bool {
	return slices.ContainsFunc(c.Webhook, func(w webhookConfig) bool { return w.ID == id && w.Test })
}

func (c *config) providers() (all []web.Provider) {
	for _, one := range c.Provider {
		all = append(all, web.Provider{Kind: one.Kind, SecretFile: c.relative(one.SecretFile)})
	}
	return all
}

// marksForPostmark tells whether messages carry what Postmark gives back with its
// events.
func (c *config) marksForPostmark() bool {
	return slices.ContainsFunc(c.Provider, func(p providerConfig) bool { return p.Kind == "postmark" })
}
