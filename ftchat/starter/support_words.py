"""Customer support of the made-up shop: templates of questions for each topic, and its one plain answer. Only data."""

from dataclasses import dataclass

from ftchat.starter.phrasing import TELL


@dataclass(frozen=True)
class Topic:
    """One topic: what it is called, how people ask, the answer, and what a judge looks for in it."""

    name: str
    asked: tuple[str, ...]
    reply: str
    must: tuple[str, ...]


_DAY = "[Monday|Tuesday|Wednesday|Thursday|Friday|Saturday]"

BUYING: tuple[Topic, ...] = (
    Topic("opening hours", (
        "When [are|is] [you|the shop|your shop|the store] open?",
        "What are your [opening hours|hours|business hours|opening times|shop hours]?",
        "[When|At what time|What time] do you [open|close|shut|start]?",
        "Are you [still|] open [now|today|tonight|tomorrow|this evening|at noon]?",
        "[Until when|How late|How long|Till when] are you open [today|]?",
        f"{TELL} [when you are open|your opening hours|when you open|when you close]?",
        "[opening hours|hours|opening times|open when|open today]?", f"Are you open on [a|] {_DAY}?",
        "[How long|Until when] is the shop open?",
        "[When|What time] can I [come|visit|drop by|come by|come in|stop by]?", f"[What are|] your hours on {_DAY}?",
        "Is the shop [closed|open] [at the moment|now|today]?",
        "Do you [close|open] [at six|at lunch|early|late]?", "On [which|what] days are you open?",
        f"[From when|Until when] do you open on {_DAY}?",
        "What time does the [shop|store] [open|close|shut]?", "Are you open all week?",
        "[Is|Will] [the shop|the store|anybody|someone] [be|] there [at ten|in the evening|on weekdays|tomorrow"
        " morning]?",
        "[Can|May] I [still|] [come|drop in] [at half past five|in the afternoon|before nine|on weekdays]?",
        "[Working|Business|Store] hours[?|, please.|]", "[How early|How late] can I [come|shop|visit]?",
        "When [does|do] your [working day|business|day] [begin|start|end]?",
        "On weekdays, [when|until when] are you open?", "What are your times?",
        "[On which days|Which days] [can I come|do you work|is the shop open]?",
        "[I work until five|I finish late|I get up early]. [Are you still open|Can I still come|Will you be open]?",
        "[Do you|Does the shop] [shut|close|have a break] [at|over] [noon|lunch|midday]?",
        "[What|Which] [hours|times] [do you keep|are you there|can I visit]?",
        "When is your shop open for customers?"),
        "We are open from Monday to Saturday, from 9 in the morning until 6 in the evening.", ("Monday to Saturday",
        "9", "6")),
    Topic("Sunday", (
        "Are you [open|closed] on [Sunday|Sundays|a Sunday|the weekend, also on Sunday]?",
        "Do you open on [Sunday|Sundays]?", "Can I [come|visit|shop] on [a|] Sunday?",
        "[Sunday opening|Sunday|Sundays|open Sunday]?", "[What about|And on|How about] [Sunday|Sundays]?",
        "Is the shop open on Sundays?", "[Is|Are] Sunday [possible|a working day|OK]?",
        "[Do|Can] people shop at yours on Sundays?", "[Sunday|Sundays] [open or closed|hours|too]?",
        "Are you there on Sunday [morning|afternoon|]?",
        "What are your hours on Sunday?", "May I drop in on Sunday?"),
        "We are closed on Sunday. On all other days we open at 9 in the morning.", ("closed on Sunday",)),
    Topic("holidays", (
        "Are you [open|closed] on [public holidays|Christmas|Christmas Day|New Year's Day|Easter|bank holidays"
        "|holidays]?", "Do you [open|close] [over|at|on|for] [Christmas|Easter|the holidays|New Year]?",
        "[Holiday|Christmas|Easter] [hours|opening hours]?",
        "Is the shop open on [a holiday|Christmas Eve|New Year's Eve|public holidays]?",
        "What happens on public holidays?",
        "[Is|Are] [you|the shop|the store] [open|closed] [during|over|on] [the holidays|Christmas week|Whit Monday"
        "|New Year|Good Friday]?", "[Do you work|Can I come] on [public holidays|Christmas|Easter Monday]?",
        "When do you close for the holidays?"),
        "We are closed on public holidays. On the day before them we close at 2 in the afternoon.", (
        "closed on public holidays",)),
    Topic("shipping costs", (
        "[How much is|What is the price of|What does] [shipping|delivery|postage|sending a parcel] [cost|]?",
        "What are the [delivery|shipping|postage] [costs|fees|charges]?",
        "Do you charge [for|] [delivery|shipping|postage]?",
        "Is [delivery|shipping|postage] [free|expensive|included]?", "What do I pay for [shipping|delivery|postage]?",
        "[shipping|delivery|postage] [cost|costs|fee|price|charge]?",
        f"{TELL} [what shipping costs|how much delivery is|what you charge for delivery|the shipping costs]?",
        "How much do you [charge|want|ask] for [shipping|delivery|sending it]?",
        "[When|From which amount|Above what amount] is [shipping|delivery] free?",
        "Is there [free shipping|a delivery fee|a shipping charge]?",
        "How [expensive|much] is [it to have things delivered|the delivery|the shipping|it to ship]?",
        "Do I [have to|need to|] pay [extra|] for [shipping|delivery]?",
        "[Are|Is] there [any|] [extra costs|shipping fees|delivery costs|additional charges]?",
        "[What|How much] [must|do] I [add|pay extra] [for|to have] [the parcel|the delivery|it sent|it delivered]?",
        "[What|How much] [do you bill|is charged] for [delivery|shipping|the parcel]?",
        "[Do|Would] you [deliver|ship|send things] for free?", "Sending it by post, what [does|will] that cost?",
        "The [delivery|shipping] [fee|price|cost], please?",
        "[What|How much] does it [cost|take] to [get|have] [an order|a parcel|things|something] [sent|shipped"
        "|delivered] [home|to me|]?",
        "[Is|Are] [home delivery|the postage|mailing costs|transport costs] [free|included|extra|expensive]?",
        "[What|Which] [amount|sum] [do I need|must I reach] for free [shipping|delivery]?",
        "What will the post cost me?"),
        "Shipping costs 4.90 euros. It is free for orders above 50 euros.", ("4.90 euros", "50 euros")),
    Topic("delivery time", (
        "How long does [delivery|shipping|the delivery|it|a parcel] take?",
        "How [fast|quickly|soon] [do|can] you [deliver|ship|send it]?",
        "How many days does [delivery|shipping|it] take?",
        "When will my [parcel|order|package|delivery] [arrive|come|be here|get here] [if I order today|]?",
        "[delivery|shipping] [time|times|duration]?", "When do you [ship|deliver]?",
        f"{TELL} [how long delivery takes|how long shipping takes|how fast you deliver|when it would arrive]?",
        "[How long|How many days] do I [have to|] wait for [my parcel|delivery|an order]?",
        "[Can|Could|Will] [it|you deliver|my order] [be here|arrive|] [tomorrow|by Friday|this week|in two days]?",
        "What is [your|the] delivery time?", "How soon would I have it?",
        "Do you [offer|have|do] [express|next day|same day|fast] [shipping|delivery]?",
        "[If I|When I] order [now|today|on Monday], when [does it come|will it be here|do I have it]?",
        "How [much time|long] [passes|does it take] [until|before] [my order|a parcel|it] [arrives|is here|comes]?",
        "[Will|Can] you [send|deliver] it [quickly|in time for the weekend|within a week|before Saturday]?",
        "[How many|In how many] [working days|days|weeks] [will it come|does it take|do you deliver|until it"
        " arrives]?", "[Delivery|Shipping]: how [long|fast|many days]?",
        "[How long|How many days] [until|before] [it is at my door|I get my parcel|the postman comes|I have it]?",
        "[Do you|Can you] [ship|send|deliver] [at once|right away|the same day|overnight]?",
        "[I need|I want] it [by Friday|soon|for Saturday|in a hurry]. [Is that possible|Can you do that|How fast are"
        " you]?", "How quickly will I get my things?"),
        "Delivery takes two to four working days.", ("two to four working days",)),
    Topic("shipping abroad", (
        "Do you [ship|deliver|send] [abroad|overseas|internationally|worldwide|to other countries|outside the"
        " country]?",
        "[Can|Could|Do|Would] you [send|ship|deliver] [a parcel|it|my order|things|] to [Canada|France|Spain"
        "|Switzerland|America|Italy|England|Japan|Austria|Poland]?",
        "Is [international|worldwide] [shipping|delivery] possible?",
        "[Which|To which|What] countries do you [ship to|deliver to|serve]?",
        "[international|worldwide|overseas|abroad] [shipping|delivery]?",
        "I live in [Sweden|Belgium|Ireland|Norway|the US|Portugal]. [Can you deliver|Do you ship there|Can I order]?",
        f"{TELL} [if|whether] you [ship|deliver] abroad?",
        "[Can|Could] [my friend|my aunt|I] in [Denmark|Hungary|Finland|Greece|Brazil|Turkey] [order|get a parcel"
        "|receive it]?",
        "[Is|Are] [my country|Croatia|foreign countries|other countries] [included|served|possible]?",
        "Do you [export|send parcels] [abroad|anywhere in Europe|across the border|all over the world]?",
        "What about [delivery|shipping] to [Norway|Holland|other countries|foreign addresses]?",
        "Do you deliver outside the country?"),
        "We ship within Europe. Delivery abroad takes up to eight working days.", ("within Europe",
        "eight working days")),
    Topic("returns", (
        "[Can|May|How can|How do] I [return|send back|give back|bring back] [something|a product|my order|an item|it"
        "|things]?", "What is your [return|returns] [policy|rule|conditions]?",
        "I [want|would like|need] to [return|send back|give back] [something|my order|a product|this|an item].",
        "How do returns work?", "Do you [take|accept|allow] [returns|things back|products back]?",
        "[returns|return policy|sending back|return]?",
        "[How long|Until when] can I [return|send back] [something|a product|an order]?",
        "What if I [do not like|change my mind about] [it|my order|something]?",
        f"{TELL} [how returns work|how to return something|if I can return a product|your return policy]?",
        "Is it possible to [return|send back|exchange|swap] [a product|something|an order]?",
        "[Can|May] I [exchange|swap] [something|a product]?",
        "What [happens|can I do] if I do not [want|like] it [anymore|]?",
        "[Am I|Are we] allowed to [return|send back] [what we bought|goods|unopened jars|a gift]?",
        "[I bought the wrong thing|I changed my mind|It does not suit me]. [Can I return it|What now|May I send it"
        " back]?", "[How many|In how many] days can I [return|send back] [a product|goods|something]?",
        "[Returning|Sending back] [goods|a jar|things|an order]: how?",
        "[Explain|Tell me] your return [rules|policy|conditions].",
        "Do you have a right of return?",
        "[What|How] [is|are|about] [your|the] [return|exchange] [rules|conditions|period|window|deadline]?",
        "[I am not happy with|I do not want|I dislike|I regret] [what I bought|my purchase|the product]. [Can I"
        " bring it back|Will you take it back|What are my options]?",
        "[Would|Will|Do] you take [it|something|goods|my purchase] back?",
        "[Money back|Exchange|Bring back]: [is that possible|how does that work|how long do I have]?",
        "Can I give a product back?"),
        "You can return unopened products within 14 days. We refund the price when they arrive.", ("14 days",
        "unopened")),
    Topic("refunds", (
        "When do I get my money [back|]?", "[How long|How many days] does a refund take?",
        "Where is my [refund|money]?", "How do I get [a refund|my money back]?", "When will I be refunded?",
        "[refund|money back]?", "I [am still waiting|wait] for my [refund|money].",
        "I [have not|did not] [got|received|get] my [refund|money back] [yet|].", "I want my money back.",
        "How [fast|quickly|long] do you [refund|pay back]?",
        f"{TELL} [when I get my refund|how refunds work|how long a refund takes]?", "How do refunds work?",
        "[After|Since] my return [I wait|I am waiting] for the money.",
        "[How|In what way|Where to] [do|will] you [refund|pay back] [me|the money|the price]?",
        "[Has|Was] my refund [been|] [sent|paid|made]?",
        "When [is|will] the money [back on my account|returned|with me|refunded]?",
        "[I sent|I returned] [it|everything|the goods] [back|last week]. When [do|will] I [see|get] [my money|the"
        " money|a refund]?", "[How|When] [does|will] the money [come back|reach me|get to me]?",
        "When do you pay back the price?"),
        "We pay a refund within five working days, in the way you paid.", ("five working days",)),
    Topic("payment", (
        "How can I pay?",
        "[Which|What] [payment methods|ways to pay|payment options|cards|kinds of payment] do you [accept|take|have"
        "|offer]?", "Do you [take|accept] [credit cards|cards|cash|cheques|bank transfer|card payment]?",
        "[Can|May|Could] I pay [by|with|in] [card|credit card|cash|bank transfer|invoice|phone|cheque|my phone]?",
        "What ways to pay are there?", "[payment|paying|payment methods|card or cash]?",
        f"{TELL} how [I can pay|to pay|payment works|one can pay]?",
        "Is [card payment|cash|paying by card|bank transfer] [possible|OK|accepted]?",
        "How does [payment|paying] work?", "Do you only take cash?",
        "How do I pay [for my order|]?",
        "[Is it|Would it be] possible to [pay|settle] [by card|with cash|by transfer|with a credit card]?",
        "[Visa|Mastercard|Cash|Cards|Bank transfer|Cheque]: [do you take it|possible|accepted]?",
        "[What|How] [do|can] [people|customers|we] [pay|pay with]?", "[Cash|Card] only?",
        "[Can|Could] I [use|pay with] [my Visa|a debit card|my credit card|an app|banknotes]?",
        "[By card|In cash|By transfer|With plastic], can I pay [that way|like that|so]?",
        "[What|Which] [payment|kinds of money|cards] [is|are] [accepted|OK|welcome]?",
        "Which methods of payment are possible?"),
        "You can pay by card, by bank transfer or in cash at the shop.", ("card", "bank transfer", "cash")),
    Topic("gift wrapping", (
        "Do you wrap [gifts|presents]?",
        "[Can|Could|Would] you [gift wrap|wrap] [my order|it|this|the jar] [as a gift|as a present|]?",
        "I need it [as a present|gift wrapped|wrapped].", "Is [gift wrapping|wrapping] [possible|free]?",
        "Do you [offer|do|have] [gift wrapping|gift boxes|wrapping paper|gift packaging]?",
        "[gift wrapping|gift wrap|wrapping]?", "[What does|How much is] [gift wrapping|wrapping] [cost|]?",
        "It is [a present|a gift]. Can you wrap it?",
        f"{TELL} [if|whether] you wrap [gifts|presents]?", "Can I [have|get] it [wrapped|in gift paper]?",
        "[Can|Do] [you|your staff] [make|turn] it [into|] [a nice|a] [gift|present|parcel]?",
        "[I want|I'd like] to give it [to a friend|away] as a [gift|present]. [Do you wrap it|Is wrapping possible]?",
        "[How much|What] do you [ask|charge] to wrap [a gift|a present]?",
        "[Can|Will|Could] you [pack|wrap|make] it [nicely|as a present|for a birthday|in gift paper]?",
        "[It is|This is] [for a birthday|a gift|a present]: [wrapping|can you wrap it|do you pack it]?",
        "May I add a card to a present?"),
        "Yes, we wrap gifts for 2.50 euros and add a card with your words.", ("2.50 euros",)),
    Topic("vouchers", (
        "Do you [sell|have|offer] [vouchers|gift cards|gift vouchers|gift certificates]?",
        "[Can|Could] I [buy|get|order] a [voucher|gift card|gift certificate]?",
        "How long is a [voucher|gift card] valid?",
        "[vouchers|gift card|gift vouchers]?", "Are there [gift vouchers|gift cards]?",
        "I [want|would like|need] a [voucher|gift card].", "What [does a voucher cost|vouchers do you have]?",
        "When does a [voucher|gift card] expire?",
        "[Can|May] I give [a voucher|a gift card] [to a friend|as a present]?",
        "[For how long|Until when] [can I use|is] [a|my] [voucher|gift card] [valid|good]?",
        "[I am looking for|Where do I get] a [voucher|gift card].",
        "[Do|Can] I [get|have] [a voucher|a gift card|vouchers] [from you|here|for 20 euros]?",
        "[I need|I want] a [gift card|voucher] [for my mother|as a present|].", "Is it possible to buy a voucher?"),
        "Yes, we sell vouchers from 10 euros. They are valid for three years.", ("10 euros", "three years")),
    Topic("address", (
        "Where [is|can I find] [your|the] [shop|store]?", "What is [your|the] [address|location]?",
        "Where can I find you?", "How do I [get to|find|reach] [your|the] [shop|store]?",
        "In [which|what] street [are you|is the shop]?",
        "[address|location|where are you|directions]?", "Where are you [located|based|exactly]?",
        f"{TELL} [where your shop is|your address|how to find you|where you are]?",
        "[Where|To which address] [should|must|do] I [go|come]?",
        "[Give|Send|Show] me [your|the] [address|directions|location].", "Do you have a [shop|store] I can visit?",
        "[How|Which way] do I [come|drive|walk|go] to [you|your shop|the store]?",
        "[Where|In what part of town] [are you|is the shop|is your store] [to be found|located|situated|]?",
        "[I cannot|I can't] find your [shop|store|street].", "What is [near|next to] your shop?",
        "[Is|Are] [the shop|you] in the [city|centre|old town]?",
        "[Where|In which place] [exactly|] [can|do|will] [one|I|people] find [your shop|you|the store]?",
        "[I want to visit|I would like to come to] [you|your shop|the shop]. Where [is it|are you|do I go]?",
        "[Tell|Send] me where [you are|the shop is|to go].", "Which street is the shop in?"),
        "Our shop is at 12 Mill Lane, next to the old bridge.", ("12 Mill Lane",)),
    Topic("contact", (
        "How [can|do] I [contact|reach|call|get in touch with] [you|the shop|your team]?",
        "What is [your|the] [phone number|email|email address|telephone number|mail address|number]?",
        "Do you have [an email address|a phone number|an email|a hotline]?",
        "Can I [call|phone|email|ring|write to] you?",
        "[contact|phone number|email|phone|contact details|email address]?",
        f"{TELL} [your phone number|your email address|how to reach you|how to contact you]?",
        "[Where|How] can I [write|send a message|call]?", "I [want|need|would like] to [call|contact|email] you.",
        "[Give|Send] me your [email|phone number|contact details].",
        "[Is there|Do you have] [a hotline|a number|an email] [I can use|for questions|for customers]?",
        "[To whom|Where] [do I|can I|should I] [write|send my question|mail]?",
        "[When|From when] can I [call|phone|ring] [you|]?",
        "I [would like|want|need] your [email|number|email address|phone number].",
        "[How|Where] do I [send|write] [you|] an email?",
        "[What is|Give me|Is there] [the best|a|any] way to [reach|contact|write to|get hold of] [you|the shop|your"
        " people]?",
        "[How|Where] [may|can|do] [I|we|customers] [get in touch|write|ask something by mail|phone you]?",
        "Which number do I ring?"),
        "You can write to hello@shop.example or call us from 9 to 6.", ("hello@shop.example",)),
)  # fmt: skip
