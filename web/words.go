package web

// words are those of the pages that are written here. %s is a name, %d a number of days.
type words struct {
	choicesTitle, address                   string
	gets, stopped, stopTopic                string
	allText, stopAll, getsNone              string
	effect, continues                       string
	expiredTitle, expiredText, expiredAgain string
	usedTitle, usedText, reference          string
}

// wordsIn gives the words of a language for which there are pages.
func wordsIn(lang string) words {
	switch lang {
	case "de":
		return german()
	case "fr":
		return french()
	case "es":
		return spanish()
	}
	return english()
}

func english() words {
	return words{
		choicesTitle: "What you get from us",
		address:      "This is about the address",
		gets:         "You get emails about “%s”.",
		stopped:      "Emails about “%s” are stopped.",
		stopTopic:    "Stop “%s”",
		allText:      "You can stop all newsletters and offers from %s together.",
		stopAll:      "Stop all marketing emails",
		getsNone:     "You get no newsletters or offers from %s.",
		effect:       "It takes effect at once. No login, no questions.",
		continues:    "We will still write, rarely, about your account, such as a change that affects a service you use. Those messages are never advertising.",
		expiredTitle: "This link has run out",
		expiredText:  "It waited %d days for your confirmation. Nothing was deleted.",
		expiredAgain: "If you still want your data deleted, ask us once more. We then send a new link to the same address.",
		usedTitle:    "There is nothing more to do",
		usedText:     "This link was used already, or the request behind it is closed.",
		reference:    "Reference: ",
	}
}

func german() words {
	return words{
		choicesTitle: "Was Sie von uns bekommen",
		address:      "Es geht um die Adresse",
		gets:         "Sie bekommen E-Mails zu „%s“.",
		stopped:      "E-Mails zu „%s“ sind abbestellt.",
		stopTopic:    "„%s“ abbestellen",
		allText:      "Sie können alle Newsletter und Angebote von %s zusammen abbestellen.",
		stopAll:      "Alle Werbe-E-Mails abbestellen",
		getsNone:     "Sie bekommen keine Newsletter und Angebote von %s.",
		effect:       "Es gilt sofort. Ohne Anmeldung, ohne Fragen.",
		continues:    "Wir schreiben Ihnen weiterhin selten zu Ihrem Konto, etwa bei einer Änderung an einem Dienst, den Sie nutzen. Diese Nachrichten sind nie Werbung.",
		expiredTitle: "Dieser Link ist abgelaufen",
		expiredText:  "Er hat %d Tage auf Ihre Bestätigung gewartet. Es wurde nichts gelöscht.",
		expiredAgain: "Wenn Ihre Daten weiterhin gelöscht werden sollen, schreiben Sie uns noch einmal. Wir schicken dann einen neuen Link an dieselbe Adresse.",
		usedTitle:    "Es ist nichts mehr zu tun",
		usedText:     "Dieser Link wurde schon benutzt, oder die Anfrage dahinter ist abgeschlossen.",
		reference:    "Aktenzeichen: ",
	}
}

func french() words {
	return words{
		choicesTitle: "Ce que vous recevez de nous",
		address:      "Il s’agit de l’adresse",
		gets:         "Vous recevez des e-mails sur « %s ».",
		stopped:      "Les e-mails sur « %s » sont arrêtés.",
		stopTopic:    "Arrêter « %s »",
		allText:      "Vous pouvez arrêter ensemble toutes les lettres d’information et offres de %s.",
		stopAll:      "Arrêter tous les e-mails publicitaires",
		getsNone:     "Vous ne recevez aucune lettre d’information ni offre de %s.",
		effect:       "Cela prend effet tout de suite. Sans connexion, sans question.",
		continues:    "Nous vous écrirons encore, rarement, à propos de votre compte, par exemple si un service que vous utilisez change. Ces messages ne sont jamais de la publicité.",
		expiredTitle: "Ce lien a expiré",
		expiredText:  "Il a attendu votre confirmation pendant %d jours. Rien n’a été supprimé.",
		expiredAgain: "Si vous voulez toujours que vos données soient supprimées, écrivez-nous de nouveau. Nous enverrons alors un nouveau lien à la même adresse.",
		usedTitle:    "Il n’y a plus rien à faire",
		usedText:     "Ce lien a déjà été utilisé, ou la demande correspondante est close.",
		reference:    "Référence : ",
	}
}

func spanish() words {
	return words{
		choicesTitle: "Lo que recibe de nosotros",
		address:      "Se trata de la dirección",
		gets:         "Recibe correos sobre «%s».",
		stopped:      "Los correos sobre «%s» están cancelados.",
		stopTopic:    "Cancelar «%s»",
		allText:      "Puede cancelar de una vez todos los boletines y ofertas de %s.",
		stopAll:      "Cancelar todos los correos publicitarios",
		getsNone:     "No recibe boletines ni ofertas de %s.",
		effect:       "Tiene efecto de inmediato. Sin iniciar sesión y sin preguntas.",
		continues:    "Seguiremos escribiéndole, pocas veces, sobre su cuenta, por ejemplo si cambia un servicio que usa. Esos mensajes nunca son publicidad.",
		expiredTitle: "Este enlace ha caducado",
		expiredText:  "Esperó %d días su confirmación. No se ha borrado nada.",
		expiredAgain: "Si todavía quiere que se borren sus datos, pídalo de nuevo. Enviaremos entonces otro enlace a la misma dirección.",
		usedTitle:    "No queda nada por hacer",
		usedText:     "Este enlace ya se usó, o la solicitud correspondiente está cerrada.",
		reference:    "Referencia: ",
	}
}
