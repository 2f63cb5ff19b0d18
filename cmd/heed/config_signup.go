package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"heed/consent"
	"heed/store"
	"heed/templates"
	"heed/web"
)

// signUpConfig says what the form to sign up offers. Without it there is none.
type signUpConfig struct {
	Open    bool     `toml:"open" json:"open"`
	Topics  []string `toml:"topics" json:"topics,omitempty"`
	Ask     []string `toml:"ask" json:"ask,omitempty"`
	Offers  bool     `toml:"partner_offers" json:"partner_offers"`
	Sharing bool     `toml:"sharing" json:"sharing"`
}

func (c signUpConfig) form() web.SignUpForm {
	return web.SignUpForm{Open: c.Open, Topics: c.Topics, Ask: c.Ask, Offers: c.Offers, Sharing: c.Sharing}
}

func (c signUpConfig) told() string {
	if !c.Open {
		return "off"
	}
	topics := "all topics"
	if len(c.Topics) > 0 {
		topics = strings.Join(c.Topics, ", ")
	}
	return "at /s, for " + topics
}

func welcomedBy(t topicConfig) string {
	if t.Welcome == "" {
		return ""
	}
	return ", welcomed by " + t.Welcome
}

// checkSignUp refuses a form that offers what there is not, or asks for more than
// a form may.
func (c *config) checkSignUp() (problems []error) {
	var topics []string
	for _, one := range c.Topics {
		topics = append(topics, one.ID)
	}
	for _, one := range []struct {
		key          string
		given, known []string
	}{{"topics", c.SignUp.Topics, topics}, {"ask", c.SignUp.Ask, []string{"first_name", "last_name", "company"}}} {
		for _, name := range one.given {
			if slices.Contains(one.known, name) {
				continue
			}
			text := fmt.Sprintf("signup.%s: %q is none of %s", one.key, name, strings.Join(one.known, ", "))
			if near := nearest(name, one.known); near != "" {
				text += fmt.Sprintf("; did you mean %s?", near)
			}
			problems = append(problems, fmt.Errorf("%s", text))
		}
	}
	for _, one := range c.Policy.Purposes {
		if !slug.MatchString(one) {
			problems = append(problems, fmt.Errorf("policy.purposes: %q must be of a-z, 0-9, dot, dash and underscore, at most 64", one))
		}
	}
	return problems
}

// welcomes reads the files that topics are welcomed with. numbers are those of the
// topics in the database; without them the files are only checked.
func (c *config) welcomes(numbers map[string]int) (all []store.Welcome, err error) {
	for _, topic := range c.Topics {
		if topic.Welcome == "" {
			continue
		}
		source, err := os.ReadFile(c.relative(topic.Welcome))
		if err != nil {
			return nil, hinted(fmt.Errorf("topic %s: reading its welcome: %w", topic.ID, err), "welcome must name a file like that of a campaign, with a subject and the topic")
		}
		parsed, err := templates.ParseCampaign(source)
		if err == nil && (parsed.Class != consent.Newsletter || parsed.Topic != topic.ID) {
			err = fmt.Errorf("its topic must be %s", topic.ID)
		}
		if err == nil {
			_, err = templates.Compile(parsed, c.layout(""))
		}
		if err != nil {
			return nil, fmt.Errorf("topic %s: its welcome %s cannot be sent: %w", topic.ID, topic.Welcome, err)
		}
		all = append(all, store.Welcome{Topic: numbers[topic.ID], Name: "Welcome: " + parsed.Name, Source: string(source)})
	}
	return all, nil
}

// syncWelcomes makes them known, where anything can be sent.
func (c *config) syncWelcomes(ctx context.Context, s *store.Store) error {
	if c.canSend() != nil {
		return nil
	}
	topics, err := s.Topics(ctx)
	if err != nil {
		return err
	}
	numbers := map[string]int{}
	for _, one := range topics {
		numbers[one.ID] = one.Number
	}
	all, err := c.welcomes(numbers)
	if err != nil {
		return err
	}
	return s.SyncWelcomes(ctx, all)
}
